"""Routing: how many more passes of a layer each token takes, and the passes themselves.

A router gives every token probabilities of 0, 1, 2, … more passes. They are read as a halting
rule: a token leaves after the first d passes for which P(no more than d are wanted) reaches a
threshold. At a half that is the median of what the router expects; higher thinks longer.

A token that has left is computed no more. Later tokens still see it, as it was last.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.layers.attention import AttentionContext
from models.layers.kv_cache import KVCache
from models.layers.selection import Selection

Step = Callable[[int, Tensor, AttentionContext, int], Tensor]
"""Pass `number` over x (B, T, D), with what attention may see and the slot of its keys."""


def at_most(probabilities: Tensor, most: int) -> Tensor:
    """Probabilities (B, T, N) of 0..N-1 passes where `most` are allowed, (B, T, most + 1)."""
    return torch.cat((probabilities[..., :most], probabilities[..., most:].sum(-1, keepdim=True)), dim=-1)


def passes_taken(probabilities: Tensor, threshold: float) -> Tensor:
    """The passes after which each token leaves, (B, T) from probabilities (B, T, N)."""
    return (probabilities.cumsum(-1)[..., :-1] < threshold).sum(-1)


def expected_passes(probabilities: Tensor) -> Tensor:
    """The mean of each token's passes, (B, T) from probabilities (B, T, N)."""
    return (probabilities * torch.arange(probabilities.size(-1), device=probabilities.device)).sum(-1)


def after(states: list[Tensor], n_passes: Tensor) -> Tensor:
    """For each token its state after the passes it takes, (B, T, D)."""
    return torch.stack(states).gather(0, n_passes[None, ..., None].expand(1, *states[0].shape))[0]


class DenseKV(KVCache):
    """What a cache does for one layer where gradients flow and every pass is computed for all.

    Tokens that are not `active` keep the keys and values of the pass before.
    """

    def __init__(self) -> None:
        super().__init__(0, 0, 0, 0, 0, torch.device("cpu"))
        self.active: Tensor | None = None
        self.last: tuple[Tensor, Tensor] | None = None

    def update(
        self, slot: int, k: Tensor, v: Tensor, selection: Selection | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.active is not None and self.last is not None:
            active = self.active[:, None, :, None]  # (B, 1, T, 1)
            k, v = torch.where(active, k, self.last[0]), torch.where(active, v, self.last[1])
        self.last = k, v
        return k, v


def pass_again(
    step: Step, state: Tensor, n_passes: Tensor, numbers: range, context: AttentionContext, slots: range
) -> list[Tensor]:
    """`state` (B, T, D) after each of the passes `numbers`; each has a slot of its own, and the slot
    before it holds what tokens were seen as in the pass before.

    Tokens of which `n_passes` (B, T) is less than a pass's number are not in it: they keep their state,
    and are seen as in their last pass. With DenseKV for a cache they are seen so too, but every
    token's state goes on, so that what another pass would have made of it can be judged.
    """
    states = []
    for number, slot in zip(numbers, slots, strict=True):
        active, skipped = n_passes >= number, context.ablation.skips(number + 1)
        if isinstance(context.cache, DenseKV):
            if not skipped:
                context.cache.active = active
                state = step(number, state, context, slot)
        else:
            assert context.cache is not None
            context.cache.repeat(range(slot - 1, slot), range(slot, slot + 1), state.size(1))
            if not skipped:
                state = pass_packed(step, state, active, number, context, slot)
        states.append(state)
    return states


def pass_packed(
    step: Step, state: Tensor, active: Tensor, number: int, context: AttentionContext, slot: int
) -> Tensor:
    """`state` (B, T, D) after a pass over the tokens that are True in `active` (B, T) alone."""
    if not active.any():
        return state
    selection = Selection.of(active)
    packed = step(number, selection.pack(state), context.among(selection), slot)
    return selection.spread(packed, state)
