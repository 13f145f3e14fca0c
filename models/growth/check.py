"""The proof of a growth: what the model says, before and after."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from models.architectures.puzzle_model import PuzzleModel
from models.architectures.two_state import TwoStateConfig
from models.config import ModelConfig
from models.errors import CheckpointError
from models.recursive_lm import RecursiveLM

LARGEST_CHANGE = 1e-5
"""Of any logit, in float32: more is no rounding."""
_ROWS, _TOKENS, _STEPS_OF_THOUGHT = 2, 64, 3


def tokens_to_check(config: ModelConfig, seed: int = 0) -> Tensor:
    """Tokens (B, T) to hold two models against one another: any old ones, or for puzzles a whole grid."""
    draw = torch.Generator().manual_seed(seed)
    length = config.context_length if _is_of_puzzles(config) else min(_TOKENS, config.context_length)
    return torch.randint(0, config.vocab_size, (_ROWS, length), generator=draw)


@torch.no_grad()
def largest_logit_change(before: RecursiveLM, after: RecursiveLM, tokens: Tensor) -> float:
    """The most that any logit of `tokens` (B, T), of the tokens both models have, differs at any mode.

    A model of puzzles has no modes: its thought is followed for some steps, its judgement too.
    """
    training = before.training, after.training
    before.eval()
    after.eval()
    try:
        pairs = zip(_said(before, after, tokens), _said(after, before, tokens), strict=True)
        changes = [(new[..., : old.size(-1)].to(old.device) - old).abs().max() for old, new in pairs]
        return float(torch.stack(changes).max())  # which is NaN where any of them is
    finally:
        before.train(training[0])
        after.train(training[1])


def proven_change(before: RecursiveLM, after: RecursiveLM, tokens: Tensor) -> float:
    """`largest_logit_change`, where it is no more than rounding. Raises CheckpointError where it is more."""
    change = largest_logit_change(before, after, tokens)
    if not change <= LARGEST_CHANGE:
        # Sums of other lengths are rounded otherwise, and a deep recursion makes more of it. In
        # double precision nothing is left of that.
        exact = largest_logit_change(copy.deepcopy(before).double(), copy.deepcopy(after).double(), tokens)
        if not exact <= LARGEST_CHANGE:
            raise CheckpointError(
                f"Grown, the model would say something else: a logit changes by {change:.2g}.",
                hint="Nothing was written. Grow it in another way.",
            )
    return change


def _said(model: RecursiveLM, other: RecursiveLM, tokens: Tensor) -> Iterator[Tensor]:
    tokens = tokens.to(next(model.parameters()).device)
    if isinstance(model, PuzzleModel) and _is_of_puzzles(model.config):
        states = None
        for _ in range(_STEPS_OF_THOUGHT):
            thought = model.ponder(tokens, states)
            states = thought.states
            yield from (thought.logits, thought.halting)
        return
    modes = {**model.modes(), **other.modes()}
    for mode in sorted(modes):
        yield model(tokens, modes[mode]).logits


def _is_of_puzzles(config: ModelConfig) -> bool:
    return isinstance(config, TwoStateConfig) and config.task != "text"
