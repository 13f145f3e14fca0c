"""Watch the passes of a recursion, or leave out a part of them."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models.layers.selection import Selection


@dataclass(slots=True)
class Pass:
    """One application of shared weights to B rows of T tokens.

    `level` names the weights, as "core" or "low"; `number` counts their applications from 1. A token
    that has left keeps the state of its last pass.
    """

    level: str
    number: int
    state: Tensor
    """(B, T, D), what the pass put out."""
    readout: Callable[[Tensor], Tensor]
    """The model's own."""
    final_state: Tensor | None = None
    """(B, T, D), what would be read out if this pass were the last; None: `state` itself."""
    halting: Tensor | None = None
    """(B, T), 0 to 1: how sure the model is that another cycle is not worth it."""
    router: Tensor | None = None
    """(B, T, N): the probabilities of 0 to N - 1 more passes."""

    def logits(self) -> Tensor:
        """What the model would answer if this pass were the last, (B, T, V) in float32."""
        return self.readout(self.state if self.final_state is None else self.final_state)


class Trace:
    """The passes of one forward call, in the order in which they were computed."""

    def __init__(self, readout: Callable[[Tensor], Tensor]) -> None:
        self.passes: list[Pass] = []
        self._readout = readout

    def add(
        self, level: str, state: Tensor, selection: Selection | None = None, *, router: Tensor | None = None
    ) -> None:
        """Note a pass of `level` and what it put out: `state` (B, T, D).

        With a `selection`, `state` (B, T', D) is that of the selected tokens alone.
        """
        before = [one for one in self.passes if one.level == level]
        if selection is not None:
            state = selection.spread(state, before[-1].state)  # (B, T, D)
        self.passes.append(Pass(level, len(before) + 1, state, self._readout, router=router))

    def judge(self, level: str, halting: Tensor) -> None:
        """Give the halting score (B, T) to the newest pass, if it is one of `level`."""
        if self.passes and self.passes[-1].level == level:
            self.passes[-1].halting = halting


@dataclass(frozen=True, slots=True)
class Ablation:
    """What to leave out of a recursion, to see what it is good for."""

    skip: frozenset[int] = frozenset()
    """Cycles that are not applied, by their number; depth counts them from 1."""
    freeze: str | None = None
    """The level whose state stays as it started."""
    drop_input: bool = False
    """Whether cycles get zeros in the place of the embedded input. States still start from it."""

    def skips(self, cycle: int) -> bool:
        """Whether the cycle of that number, from 1, is not applied."""
        return cycle in self.skip

    def count(self, n_passes: Tensor) -> Tensor:
        """Of `n_passes` (B, T), those after the first cycle, how many are applied."""
        for cycle in self.skip:
            n_passes = n_passes - (n_passes >= cycle - 1).to(n_passes.dtype)
        return n_passes


COMPLETE = Ablation()
"""Nothing is left out."""
