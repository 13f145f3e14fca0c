"""`rlm watch`: show a training that runs in another process."""

from typing import Annotated

import typer

from rlm_cli.options import JsonOption, QuietOption, RunsDirOption, run_argument
from rlm_cli.output import Output
from rlm_cli.run_reference import newest_in_training


def watch(
    run_name: Annotated[str | None, run_argument("the newest in training")] = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a training in another process, as rlm train shows its own.

    Ctrl-C leaves the training alone. A training that has ended shows its end.
    The exit code is 0 if it finished or paused, and that of its error if it failed.

    Examples:
      rlm watch
      rlm watch book
      rlm watch book --json
    """
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir
    from rlm_cli.watching import watch_training

    folder = find_runs_dir(runs_dir)
    run = Run.open(run_name if run_name is not None else newest_in_training(folder), folder)
    raise typer.Exit(watch_training(run, Output.of(json=json, quiet=quiet)))
