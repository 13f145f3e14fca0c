"""Routing: how many more passes of a layer each token takes, and the passes themselves.

A router gives every token probabilities of 0, 1, 2, … more passes. A token leaves after the smallest
number d of passes for which P(at most d passes) reaches a threshold. With a threshold of 0.5 that is the
median; a higher threshold means more passes.

A token that has left is not computed again. Later tokens see the keys and values of its last pass.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from models.kernels.calls import can_fuse
from models.kernels.routing import choose, weighted_sum
from models.layers.attention import AttentionContext
from models.layers.kv_cache import KVCache
from models.layers.selection import Selection

Step = Callable[[int, Tensor, AttentionContext, int], Tensor]
"""Computes pass `number` of x (B, T, D), given the context of attention and the slot of its keys."""


def at_most(probabilities: Tensor, most: int) -> Tensor:
    """Probabilities (B, T, N) of 0..N-1 passes, with those of more than `most` added to that of `most`:
    (B, T, most + 1)."""
    return torch.cat((probabilities[..., :most], probabilities[..., most:].sum(-1, keepdim=True)), dim=-1)


def passes_taken(probabilities: Tensor, threshold: float) -> Tensor:
    """The number of passes after which each token leaves, (B, T), from probabilities (B, T, N)."""
    return (probabilities.cumsum(-1)[..., :-1] < threshold).sum(-1)


def expected_passes(probabilities: Tensor) -> Tensor:
    """The expected number of passes of each token, (B, T), from probabilities (B, T, N)."""
    return (probabilities * torch.arange(probabilities.size(-1), device=probabilities.device)).sum(-1)


def after(states: list[Tensor], n_passes: Tensor) -> Tensor:
    """Each token's state (B, T, D) after its own `n_passes` (B, T), from the states after 0, 1, … passes."""
    return torch.stack(states).gather(0, n_passes[None, ..., None].expand(1, *states[0].shape))[0]


def sum_of(states: list[Tensor], weights: Tensor) -> Tensor:
    """The sum (B, T, D) of N `states` (B, T, D), weighted by `weights` (B, T, N)."""
    if can_fuse(*states, weights) and len({state.dtype for state in states}) == 1:
        return weighted_sum(states, weights.float())
    return (torch.stack(states, dim=-1) @ weights.to(states[0].dtype)[..., None]).squeeze(-1)


class DenseKV(KVCache):
    """The keys and values of one layer's last pass, for training, where every token takes every pass.

    Tokens that are not `active` (B, T) keep the keys and values of the pass before.
    """

    only_trains: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__(0, 0, 0, 0, 0, torch.device("cpu"))
        self.active: Tensor | None = None
        self.last: tuple[Tensor, Tensor] | None = None

    def update(
        self, slot: int, k: Tensor, v: Tensor, selection: Selection | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.active is not None and self.last is not None:
            k, v = _chosen(self.active, k, self.last[0]), _chosen(self.active, v, self.last[1])
        self.last = k, v
        return k, v


def _chosen(active: Tensor, new: Tensor, last: Tensor) -> Tensor:
    """`new` for the tokens that are True in `active` (B, T), `last` for the others: (B, H, T, K) all."""
    if new.dtype == last.dtype and can_fuse(new, last):
        return choose(active, new, last)
    return torch.where(active[:, None, :, None], new, last)


def pass_again(
    step: Step, state: Tensor, n_passes: Tensor, numbers: range, context: AttentionContext, slots: range
) -> list[Tensor]:
    """`state` (B, T, D) after each of the passes `numbers`. `slots` has one slot for each pass; the slot
    before holds the keys and values of the pass before.

    A token whose `n_passes` (B, T) is smaller than the number of a pass does not take part in it: it
    keeps its state, and later tokens see it as in its last pass. In training, with DenseKV as the
    cache, later tokens likewise see its last pass, but every pass is computed for it: the loss uses them all.
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
    """`state` (B, T, D) after a pass that computes only the tokens that are True in `active` (B, T)."""
    if not active.any():
        return state
    selection = Selection.of(active)
    packed = step(number, selection.pack(state), context.among(selection), slot)
    return selection.spread(packed, state)
