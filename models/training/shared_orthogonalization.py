"""Muon's updates in several processes: each makes a part of the matrices orthogonal, and all exchange them.

All have the same momenta, and the work takes as long as a quarter of a step of a narrow model.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.cost.number_format import rough_product_format
from models.processes.group import ProcessGroup
from models.training.muon import orthogonalized


class SharedOrthogonalization:
    """`models.training.muon.Orthogonalize`, divided among the processes of `group`."""

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group
        self._number_format: torch.dtype | None = None

    def __call__(self, stacks: Sequence[Tensor]) -> list[Tensor]:
        """As `orthogonalized_each`; every process calls it with the same stacks. Raises ProcessLostError."""
        if not stacks:
            return []
        owners = _owners(stacks, self._group.count)
        device = stacks[0].device
        if self._number_format is None:
            self._number_format = self._agreed(device)
        flat = torch.zeros(sum(map(Tensor.numel, stacks)), dtype=self._number_format, device=device)
        parts = flat.split([stack.numel() for stack in stacks])
        found = [part.view_as(stack) for part, stack in zip(parts, stacks, strict=True)]
        for stack, result, owner in zip(stacks, found, owners, strict=True):
            own = [number for number, rank in enumerate(owner) if rank == self._group.rank]
            if own:
                result[own] = orthogonalized(stack[own]).to(result.dtype)
        self._group.add(flat)
        return found

    def _agreed(self, device: torch.device) -> torch.dtype:
        """The format that is exchanged: bfloat16 where all processes compute in it. Each of them has measured
        its own machine."""
        votes = torch.tensor([float(rough_product_format(device) == "bfloat16")], device=device)
        self._group.add(votes)
        return torch.bfloat16 if votes.item() == self._group.count else torch.float32


def _owners(stacks: Sequence[Tensor], processes: int) -> list[list[int]]:
    """The process that works on each matrix of each of `stacks`, so that all have about as much to do."""
    work = [
        (stack.size(-2) * stack.size(-1) * min(stack.shape[-2:]), number, place)
        for number, stack in enumerate(stacks)
        for place in range(len(stack))
    ]
    owners, loads = [[0] * len(stack) for stack in stacks], [0] * processes
    for cost, number, place in sorted(work, reverse=True):
        owner = loads.index(min(loads))
        owners[number][place] = owner
        loads[owner] += cost
    return owners
