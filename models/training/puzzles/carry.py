"""What goes on from one supervision step to the next: the puzzles under way, and their states."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.recursive_lm import States

_PREFIX = "carry."


@dataclass(slots=True)
class Carry:
    """B puzzles of T cells under way."""

    puzzles: Tensor
    """(B, T) int64."""
    solutions: Tensor
    """(B, T) int64."""
    taken: Tensor
    """(B,) int64: supervision steps each has had."""
    least: Tensor
    """(B,) int64: the fewest steps each gets."""
    done: Tensor
    """(B,) bool: which ones the next puzzles replace."""
    states: States
    """(B, T, D) each, float32, without a gradient."""

    @classmethod
    def empty(cls, batch: int, cells: int, width: int, device: torch.device) -> "Carry":
        """A batch of `batch` places, all of them to be filled."""
        grids, counts = torch.zeros(batch, cells, dtype=torch.int64), torch.zeros(batch, dtype=torch.int64)
        state = torch.zeros(batch, cells, width, device=device)
        return cls(
            grids.to(device), grids.to(device, copy=True), counts.to(device), counts.to(device, copy=True),
            torch.ones(batch, dtype=torch.bool, device=device), (state, state.clone()),
        )  # fmt: skip

    def reset(self) -> None:
        """Empty every place."""
        for counts in (self.puzzles, self.solutions, self.taken, self.least):
            counts.zero_()
        self.done.fill_(True)
        self.states = tuple(torch.zeros_like(state) for state in self.states)

    def refill(self, drawn: Tensor, least: Tensor, begin: States) -> None:
        """Put `drawn` (N, 2, T), puzzles and solutions, in the place of the N that are done. Each gets at
        least `least` (N,) steps from the states `begin` (N, T, D). Before `advance`, it can be repeated."""
        self.puzzles[self.done], self.solutions[self.done] = drawn.unbind(dim=1)
        self.least[self.done] = least
        self.taken[self.done] = 0
        for state, fresh in zip(self.states, begin, strict=True):
            state[self.done] = fresh.float()

    def advance(self, states: States, halting: Tensor, most: int) -> None:
        """Take over the `states` (B, T, D) of one step over all rows, and their `halting` scores (B,). A
        puzzle is done when the model is sure of the answer and it has had its fewest steps, or when it has
        had `most` steps."""
        self.states = states
        self.taken += 1
        self.done = ((halting > 0) & (self.taken >= self.least)) | (self.taken >= most)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, for a checkpoint."""
        named = {name: getattr(self, name) for name in ("puzzles", "solutions", "taken", "least", "done")}
        states = {f"state{number}": state for number, state in enumerate(self.states)}
        return {_PREFIX + name: value for name, value in {**named, **states}.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave. Raises KeyError, or RuntimeError where the sizes differ."""
        for name, value in self.tensors().items():
            value.copy_(tensors[name])
