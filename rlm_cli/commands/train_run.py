"""`rlm train-run`: what `rlm train --detach` and `rlm resume --detach` start in a process of its own."""

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import RlmError
from models.errors import ProcessLostError
from rlm_cli.exit_codes import ExitCode, exit_code_of
from rlm_cli.output import Output
from rlm_cli.process_team import end_with_starter, process_team
from rlm_cli.program import set_program
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from models.runs.run import Run
    from models.training.team import Team


def train_run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a run that is ready to train.")],
    program: Annotated[
        str, typer.Option(metavar="COMMAND", help="How hints call rlm.", show_default=False)
    ] = "rlm",
    began_at: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="When its minutes began, in seconds since the epoch."),
    ] = None,
    reservation: Annotated[
        int | None,
        typer.Option(metavar="FILE", help="Number of the open file that reserves the run."),
    ] = None,
    attached: Annotated[bool, typer.Option("--attached", help="Pause when standard input ends.")] = False,
    shard: Annotated[bool, typer.Option("--shard", help="Divide the model among the processes.")] = False,
    processes: Annotated[int, typer.Option("--nproc", metavar="N", help="Processes that train it.")] = 1,
) -> None:
    """Train a run that is ready for it, and print only warnings and the result."""
    from models.runs.run import Run

    set_program(program)
    if processes > 1:
        from models.runs.detached import rlm_command
        from models.runs.restarts import train_in_local_processes

        arguments = ["train-run", str(folder), "--program", program, *(["--shard"] if shard else [])]
        if began_at is not None:
            arguments += ["--began-at", str(began_at)]
        if attached:
            end_with_starter()
        run = Run.open(folder, folder.parent)
        raise typer.Exit(train_in_local_processes(run, rlm_command(arguments), processes, os.environ))
    from rlm_cli.training_session import follow_training

    output = Output.of(quiet=True)
    import_torch(output)
    with process_team(shard=shard) as team:
        run = Run.open(folder, folder.parent)
        with run.hold(reserved=True):
            if reservation is not None:
                os.close(reservation)
            if team is None:
                raise typer.Exit(follow_training(run, output, began_at))
            _train_with(team, run, output, began_at)


def _train_with(team: "Team", run: "Run", output: Output, began_at: float | None) -> None:
    """Train `run`, and exit with the code of one process that trains. Where this process tells its error, the
    processes are not started again."""
    from models.runs.lock import end_reservation
    from rlm_cli.training_session import follow_training

    code = ExitCode.OK
    try:
        code = follow_training(run, output, began_at, team)
    except ProcessLostError:
        raise
    except RlmError as error:
        output.error(error)
        code = exit_code_of(error)
    except Exception:
        traceback.print_exc()
        code = ExitCode.FAILED
    end_reservation(run.path)  # the process that started this one keeps it until all have ended
    raise typer.Exit(code)
