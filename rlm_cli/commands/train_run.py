"""`rlm train-run`: what `rlm train --detach` and `rlm resume --detach` start in a process of its own."""

import os
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
    reservation: Annotated[
        int | None,
        typer.Option(metavar="FILE", help="Number of the open file that reserves the run."),
    ] = None,
) -> None:
    """Train a run that is ready for it, and print only warnings and the result."""
    from models.runs.run import Run
    from rlm_cli.training_session import follow_training

    set_program(program)
    run = Run.open(folder, folder.parent)
    with run.hold(reserved=True):
        if reservation is not None:
            os.close(reservation)
        raise typer.Exit(follow_training(run, Output.of(quiet=True), planned_at))
