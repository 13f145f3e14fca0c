"""Which of the processes of a training this one is: torchrun, or rlm, says so in environment variables.

Processes count from 0. Works without torch.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import UsageError

OTHERS_ENDED = 75
"""The exit code of a process that ended because another one had."""
MEETING_FILE = "RLM_MEETING_FILE"
"""The variable with the `meeting_file` of the processes that rlm starts."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Those that are to train together."""

    count: int = 1
    """In all."""
    here: int = 1
    """How many of them share this machine."""
    shard: bool = False
    """Whether they divide the weights among them."""

    @property
    def shards(self) -> int:
        """How many processes divide the weights among them."""
        return self.count if self.shard else 1


ALONE = Processes()


@dataclass(frozen=True, slots=True)
class Placement:
    """The place of this process among those of its training."""

    rank: int
    count: int
    """Processes in all."""
    local_rank: int = 0
    """Its number among those on this machine."""
    local_count: int = 1
    restarts: int = 0
    """How often torchrun has started the processes again."""
    launch: str = ""
    """The name of the launch, the same after a restart."""
    is_named: bool = False
    """Whether the launch was given that name, so that no other one has it."""
    meeting_file: str = ""
    """Where the processes of this machine leave their addresses; none where torchrun keeps them."""


def is_launched(variables: Mapping[str, str]) -> bool:
    """Whether torchrun started this process, as the environment `variables` say."""
    return "RANK" in variables and "WORLD_SIZE" in variables


def require_others(processes: int) -> None:
    """Raise UsageError where there are no other processes to divide a model with."""
    if processes < 2:
        raise UsageError(
            "One process has no other to divide a model with.",
            hint="Start several: --nproc 2, or torchrun. Or leave --shard out.",
        )


def placement(variables: Mapping[str, str]) -> Placement | None:
    """What torchrun said in the environment `variables`, or None where it did not start this process. Raises
    UsageError."""
    if not is_launched(variables):
        return None
    name = variables.get("TORCHELASTIC_RUN_ID", "")  # torchrun says "none" where the user named none
    try:
        rank, count = int(variables["RANK"]), int(variables["WORLD_SIZE"])
        found = Placement(
            rank=rank,
            count=count,
            local_rank=int(variables.get("LOCAL_RANK", 0)),
            local_count=int(variables.get("LOCAL_WORLD_SIZE", 1)),
            restarts=int(variables.get("TORCHELASTIC_RESTART_COUNT", 0)),
            launch=name if (is_named := name not in ("", "none")) else f"none-{os.getppid()}",
            is_named=is_named,
            meeting_file=variables.get(MEETING_FILE, ""),
        )
        if not 0 <= found.rank < found.count or not 0 <= found.local_rank < found.local_count:
            raise ValueError
    except ValueError:
        raise UsageError(
            "The variables RANK and WORLD_SIZE do not say which process this is.",
            hint="Start with torchrun, which sets them, or unset both.",
        ) from None
    return found
