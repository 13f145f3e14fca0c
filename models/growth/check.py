"""Checks that a grown model gives the same output as before."""

import copy
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from models.architectures import build_model
from models.architectures.puzzle_model import PuzzleModel
from models.architectures.two_state import TwoStateConfig
from models.config import ModelConfig
from models.errors import CheckpointError
from models.layers.initialise import no_init
from models.recursive_lm import RecursiveLM

LARGEST_CHANGE = 1e-5
"""Of any logit, in float32. A larger change is more than rounding."""
_ROWS, _TOKENS, _SUPERVISION_STEPS = 2, 64, 3


def tokens_to_check(config: ModelConfig, seed: int = 0) -> Tensor:
    """Random tokens (B, T) to compare two models on; for puzzles a whole grid."""
    draw = torch.Generator().manual_seed(seed)
    length = config.context_length if _solves_puzzles(config) else min(_TOKENS, config.context_length)
    return torch.randint(0, config.vocab_size, (_ROWS, length), generator=draw)


@torch.no_grad()
def largest_logit_change(before: RecursiveLM, after: RecursiveLM, tokens: Tensor) -> float:
    """The largest difference of any logit at `tokens` (B, T), at any mode, over the tokens both models have.

    A puzzle model has no modes. Its logits and halting scores are compared for some supervision steps.
    """
    training = before.training, after.training
    before.eval()
    after.eval()
    try:
        pairs = zip(_outputs(before, after, tokens), _outputs(after, before, tokens), strict=True)
        changes = [(new[..., : old.size(-1)].to(old.device) - old).abs().max() for old, new in pairs]
        return float(torch.stack(changes).max())  # NaN where any of them is
    finally:
        before.train(training[0])
        after.train(training[1])


def require_same_output(before: RecursiveLM, after: RecursiveLM, tokens: Tensor) -> float:
    """`largest_logit_change`. Raises CheckpointError where it is more than rounding."""
    change = largest_logit_change(before, after, tokens)
    if not change <= LARGEST_CHANGE:
        # Sums of other lengths round differently, and deep recursion amplifies that. In double precision the
        # difference disappears.
        exact = largest_logit_change(copy.deepcopy(before).double(), copy.deepcopy(after).double(), tokens)
        if not exact <= LARGEST_CHANGE:
            raise CheckpointError(
                f"The larger model would not give the same output: a logit changes by {change:.2g}.",
                hint="Nothing was written. Grow it in another way.",
            )
    return change


def require_same_model(
    old: ModelConfig, new: ModelConfig, weights: Mapping[str, Tensor], grown: Mapping[str, Tensor]
) -> float:
    """`require_same_output` of the `old` model with its `weights` and the `new` one with the `grown` ones."""
    return require_same_output(_load(old, weights), _load(new, grown), tokens_to_check(old))


def _load(config: ModelConfig, weights: Mapping[str, Tensor]) -> RecursiveLM:
    with no_init():
        model = build_model(config)
    model.load_state_dict(dict(weights))
    return model.eval()


def _outputs(model: RecursiveLM, other: RecursiveLM, tokens: Tensor) -> Iterator[Tensor]:
    """The logits of `model` at every mode that it or `other` has."""
    tokens = tokens.to(next(model.parameters()).device)
    if isinstance(model, PuzzleModel) and _solves_puzzles(model.config):
        states = None
        for _ in range(_SUPERVISION_STEPS):
            thought = model.ponder(tokens, states)
            states = thought.states
            yield from (thought.logits, thought.halting)
        return
    modes = {**model.modes(), **other.modes()}
    for mode in sorted(modes):
        yield model(tokens, modes[mode]).logits


def _solves_puzzles(config: ModelConfig) -> bool:
    return isinstance(config, TwoStateConfig) and config.task != "text"
