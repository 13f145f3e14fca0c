"""`rlm train-run`: what `rlm train --detach` and `rlm resume --detach` start in a process of its own."""

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import RlmError
from models.errors import ProcessLostError
from rlm_cli.output import Output
from rlm_cli.process_team import process_team
from rlm_cli.program import set_program

if TYPE_CHECKING:
    from models.runs.run import Run
    from models.training.team import Team


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
    shard: Annotated[bool, typer.Option("--shard", help="Divide the model among the processes.")] = False,
) -> None:
    """Train a run that is ready for it, and print only warnings and the result."""
    from models.runs.run import Run
    from rlm_cli.training_session import follow_training

    set_program(program)
    output = Output.of(quiet=True)
    with process_team(shard=shard) as team:
        run = Run.open(folder, folder.parent)
        with run.hold(reserved=True):
            if reservation is not None:
                os.close(reservation)
            if team is None:
                raise typer.Exit(follow_training(run, output, planned_at))
            _train_with(team, run, output, planned_at)


def _train_with(team: "Team", run: "Run", output: Output, planned_at: float | None) -> None:
    """Train `run`; after an error that its log tells of, exit as after a success.

    torchrun starts the processes again where one ends in another way.
    """
    from models.runs.lock import end_reservation
    from rlm_cli.training_session import follow_training

    try:
        follow_training(run, output, planned_at, team)
    except ProcessLostError:
        raise
    except RlmError as error:
        output.error(error)
    except Exception:
        traceback.print_exc()
    end_reservation(run.path)  # torchrun keeps it until all processes have ended
