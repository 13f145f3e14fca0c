"""Watch the passes of a recursion, or leave out a part of them."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models.layers.selection import Selection


@dataclass(slots=True)
class Pass:
    """One application of a level's weights to B rows of T tokens.

    `level` is the name of the level, such as "core" or "low"; `number` counts its applications from 1. A
    token that has left keeps the state of its last pass.
    """

    level: str
    number: int
    state: Tensor
    """(B, T, D), after the pass."""
    readout: Callable[[Tensor], Tensor]
    """The model's `readout`."""
    final_state: Tensor | None = None
    """(B, T, D), the state that would be read out if this pass were the last. None: `state`."""
    halting: Tensor | None = None
    """(B, T), 0 to 1: the halting score after the cycle that ends with this pass, if one does."""
    router: Tensor | None = None
    """(B, T, N): the router's probabilities of 0 to N - 1 more passes, if it reads this state."""

    def logits(self) -> Tensor:
        """The logits that the model would give if this pass were the last, (B, T, V) in float32."""
        return self.readout(self.state if self.final_state is None else self.final_state)


class Trace:
    """The passes of one forward call, in the order in which they were computed."""

    def __init__(self, readout: Callable[[Tensor], Tensor]) -> None:
        self.passes: list[Pass] = []
        self._readout = readout

    def add(
        self, level: str, state: Tensor, selection: Selection | None = None, *, router: Tensor | None = None
    ) -> None:
        """Add a pass of `level` with its new `state` (B, T, D).

        With a `selection`, `state` is (B, T', D), of the selected tokens alone.
        """
        before = [one for one in self.passes if one.level == level]
        if selection is not None:
            state = selection.spread(state, before[-1].state)  # (B, T, D)
        self.passes.append(Pass(level, len(before) + 1, state, self._readout, router=router))

    def set_halting(self, level: str, score: Tensor) -> None:
        """Store the halting `score` (B, T) in the newest pass, if it is one of `level`."""
        if self.passes and self.passes[-1].level == level:
            self.passes[-1].halting = score


@dataclass(frozen=True, slots=True)
class Ablation:
    """What to leave out of a recursion, to measure what it contributes."""

    skip: frozenset[int] = frozenset()
    """The cycles that are not applied, counted from 1 as a depth counts them."""
    freeze: str | None = None
    """The level whose state stays at its start."""
    drop_input: bool = False
    """Whether cycles get zeros instead of the embedded input. The states still start from it."""

    def skips(self, cycle: int) -> bool:
        """Whether the cycle of that number, from 1, is not applied."""
        return cycle in self.skip

    def count(self, n_passes: Tensor) -> Tensor:
        """How many of `n_passes` (B, T) passes after the first cycle are applied."""
        skipped = [(n_passes >= cycle - 1).to(n_passes.dtype) for cycle in self.skip]  # (B, T) each
        return n_passes - sum(skipped) if skipped else n_passes


COMPLETE = Ablation()
"""The ablation that leaves nothing out."""
