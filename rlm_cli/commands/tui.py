"""`rlm tui`: the full-screen application."""

import os
import sys

from data.errors import UsageError
from rlm_cli.options import RunsDirOption
from rlm_cli.streams import is_terminal


def tui(runs_dir: RunsDirOption = None) -> None:
    """Open the full-screen application.

    It shows the runs, and trainings live. A training is a process of its own
    and goes on when the application is closed.

    Examples:
      rlm tui
      rlm tui --runs-dir ~/models/runs
    """
    if os.environ.get("TERM") == "dumb" or not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        raise UsageError(
            "The full-screen application needs a terminal.",
            hint="Without one, list the runs:  {ls}",
        )
    from rlm_cli.environment import runs_dir as find_runs_dir
    from rlm_cli.wording import in_cli_words
    from tui.app import run_app

    run_app(find_runs_dir(runs_dir), in_cli_words)
