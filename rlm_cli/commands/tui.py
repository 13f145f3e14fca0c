"""`rlm tui`: the full-screen application."""

import os
import sys
from typing import Annotated

from data.errors import UsageError
from rlm_cli.options import RunsDirOption, run_argument
from rlm_cli.streams import is_terminal


def tui(
    run_name: Annotated[str | None, run_argument("the list of the runs")] = None,
    runs_dir: RunsDirOption = None,
) -> None:
    """Open the full-screen application.

    It shows the runs, and trainings live. A training is a process of its own
    and goes on when the application is closed.

    Examples:
      rlm tui
      rlm tui book
      rlm tui --runs-dir ~/models/runs
    """
    if os.environ.get("TERM") == "dumb" or not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        raise UsageError(
            "The full-screen application needs a terminal.",
            hint="Without one, list the runs:  {ls}",
        )
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir
    from rlm_cli.wording import in_cli_words
    from tui.app import run_app

    folder = find_runs_dir(runs_dir)
    run_app(folder, in_cli_words, None if run_name is None else Run.open(run_name, folder).path)
