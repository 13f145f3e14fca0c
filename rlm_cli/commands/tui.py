"""`rlm tui`: the full-screen application."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from data.errors import UsageError
from rlm_cli.environment import runs_dir as find_runs_dir
from rlm_cli.options import RunsDirOption, run_argument
from rlm_cli.streams import is_terminal
from rlm_cli.wording import in_cli_words


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
    require_terminal("list the runs:  {ls}")
    from models.runs.run import Run

    folder = find_runs_dir(runs_dir)
    open_application(folder, run=None if run_name is None else Run.open(run_name, folder).path)


def require_terminal(plain: str) -> None:
    """Raise UsageError without a terminal. `plain` names the command that needs none."""
    if os.environ.get("TERM") == "dumb" or not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        raise UsageError(
            "The full-screen application needs a terminal.",
            hint=f"Without one, {plain}",
        )


def require_terminal_for_training(command: str, flags: Mapping[str, bool]) -> None:
    """Raise UsageError where a training cannot be followed in the application: without a terminal, and
    beside one of `flags` that is given. `command` is the one that trains, without --tui."""
    for flag, is_given in flags.items():
        if is_given:
            raise UsageError(f"--tui and {flag} exclude each other.", hint="Give one of them.")
    require_terminal(f"leave --tui out:  {{{command}}}")


def open_application(folder: Path, *, run: Path | None = None, chat: Path | None = None) -> None:
    """Run the application over the runs of `folder`. It begins with a run, or with a chat with one."""
    from tui.app import run_app

    run_app(folder, in_cli_words, run, chat=chat)
