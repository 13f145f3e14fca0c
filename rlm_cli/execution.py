"""Where `rlm train` and `rlm resume` train: in this process, in several others, or in the background."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from data.errors import UsageError
from models.processes.placement import Processes, placement, require_others
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output
from rlm_cli.process_team import process_team

if TYPE_CHECKING:
    from pathlib import Path

    from models.runs.run import Run
    from models.training.team import Team


@dataclass(frozen=True, slots=True)
class Execution:
    """The processes that train a run, as --nproc, --shard, --detach, --tui and torchrun choose them."""

    nproc: int | None
    """How many processes this one starts; None without --nproc."""
    shard: bool
    """Whether the processes divide the model among them."""
    detach: bool
    """Whether the training runs in the background."""
    tui: bool
    """Whether the training runs in the background, and is shown in the full-screen application."""
    team: "Team | None"
    """This process and the others that torchrun started; None where torchrun started none."""

    @classmethod
    def join(
        cls, context: typer.Context, nproc: int | None, *, shard: bool, detach: bool, tui: bool
    ) -> "Execution":
        """Join the other processes of torchrun, if there are any, until the end of the command.

        Raises UsageError for flags that do not go together.
        """
        if placement(os.environ) is not None:
            _refuse_with_torchrun({"--nproc": nproc is not None, "--detach": detach, "--tui": tui})
        team = context.with_resource(process_team(shard=shard))
        execution = cls(nproc, shard, detach, tui, team)
        if shard:
            require_others(execution.processes.count)
        return execution

    @property
    def processes(self) -> Processes:
        """How many processes train together: those of torchrun, or those of --nproc."""
        count = self.nproc or 1
        return Processes(count, count, self.shard) if self.team is None else self.team.processes

    @property
    def is_in_this_process(self) -> bool:
        """Whether this process trains, alone or as process 0 of torchrun."""
        return not (self.detach or self.tui or self.nproc)

    def interrupted_run(self, runs_dir: "Path | None") -> "Run | None":
        """The unfinished run that an earlier start of this launch trained: torchrun starts all processes
        again where one was lost."""
        from models.runs.launches import run_of_launch
        from rlm_cli.environment import runs_dir as find_runs_dir

        place = placement(os.environ)
        if self.team is None or place is None:
            return None
        return run_of_launch(find_runs_dir(runs_dir), place)

    def note_launch(self, run: "Run") -> None:
        """Remember in `run` that this launch of torchrun trains it."""
        from models.runs.launches import note_launch

        place = placement(os.environ)
        if self.team is not None and place is not None:
            note_launch(run, place)

    def train_here(self, run: "Run", output: Output, began_at: float | None = None) -> ExitCode:
        """Train `run` in this process. The caller holds the run. `began_at` as in `follow_training`."""
        from rlm_cli.training_session import follow_training

        return follow_training(run, output, began_at, self.team)

    def train_elsewhere(self, run: "Run", output: Output, began_at: float | None = None) -> int:
        """Train `run` in other processes, and return the exit code. The caller does not hold the run.

        In the background, this returns once the first step follows, or where --tui asks for it, once the
        application is closed.
        """
        if not (self.detach or self.tui):
            from rlm_cli.many_processes import train_in_processes

            return train_in_processes(run, self.processes.count, output, began_at, shard=self.shard)
        from rlm_cli.watching import train_detached

        code = train_detached(run, output, began_at, self.processes.count, shard=self.shard)
        if self.tui and code == ExitCode.OK:
            from rlm_cli.commands.tui import open_application

            open_application(run.path.parent, run=run.path)
        return code


def was_started_again() -> bool:
    """Whether torchrun has started this process after another one in its place."""
    place = placement(os.environ)
    return place is not None and place.restarts > 0


def _refuse_with_torchrun(flags: dict[str, bool]) -> None:
    """Raise UsageError for the first flag that is given: a process of torchrun starts no others."""
    given = [flag for flag, is_given in flags.items() if is_given]
    if given:
        raise UsageError(
            f"{given[0]} does not go with torchrun, which has started this process.",
            hint="Leave it out, or start without torchrun.",
        )
