"""`rlm resume`: go on with a paused run, or with a finished one."""

from pathlib import Path
from typing import Annotated

import typer

from data.errors import UsageError
from rlm_cli.options import LENGTH_PANEL, JsonOption, QuietOption, RunsDirOption, run_argument
from rlm_cli.output import Output
from rlm_cli.run_reference import reference, typed


def resume(
    run: Annotated[str | None, run_argument("the newest that is paused")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Go on for this many minutes more.", rich_help_panel=LENGTH_PANEL),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Go on for this many steps more.", rich_help_panel=LENGTH_PANEL
        ),
    ] = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on where a run was paused or interrupted.

    With --minutes or --steps a finished run goes on for that much longer.

    Examples:
      rlm resume
      rlm resume book
      rlm resume book --minutes 10
    """
    output = Output.of(json=json, quiet=quiet)
    if minutes is not None and steps is not None:
        raise UsageError("--minutes and --steps exclude one another.", hint="Give one of them.")

    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir
    from rlm_cli.training_session import follow_training

    folder = find_runs_dir(runs_dir)
    opened = Run.open(run if run is not None else _newest_unfinished(folder), folder)
    if minutes is not None or steps is not None:
        from models.planning.extend import extend

        extend(opened, minutes=minutes, steps=steps)
    output.say(f"Resuming {opened.name}.", style="dim")
    raise typer.Exit(follow_training(opened, output))


def _newest_unfinished(folder: Path) -> str:
    """The run `rlm resume` means when it is given none."""
    from models.runs.listing import list_runs

    runs = list_runs(folder)
    paused = next((run for run in runs if run.status == "paused"), None)
    if paused is not None:
        return reference(paused)
    hint = (
        f"Go on with a finished one: rlm resume {typed(runs[0])} --minutes 5"
        if runs
        else "Train one: rlm train FILE"
    )
    raise UsageError(f"No run in {folder} is paused.", hint=hint)
