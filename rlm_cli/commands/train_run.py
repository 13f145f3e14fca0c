"""`rlm train-run`: what `rlm train --detach` and `rlm resume --detach` start in a process of its own."""

from pathlib import Path
from typing import Annotated

import typer

from rlm_cli.output import Output
from rlm_cli.program import set_program


def train_run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a run that is ready to train.")],
    program: Annotated[
        str, typer.Option(metavar="COMMAND", help="How hints call rlm.", show_default=False)
    ] = "rlm",
    planned_at: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="When planning began, in seconds since the epoch."),
    ] = None,
) -> None:
    """Train a run that is ready for it, and print only warnings and the result."""
    from models.runs.run import Run
    from rlm_cli.training_session import follow_training

    set_program(program)
    run = Run.open(folder, folder.parent)
    with run.hold(keep_requests=True):  # whoever started this accepted requests while it held the run
        raise typer.Exit(follow_training(run, Output.of(quiet=True), planned_at))
