"""A cache changes no logit, in any architecture."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from models.depth import MODES, Depth
from models.recursive_lm import RecursiveLM
from tests.models.small_models import (
    CONTEXT,
    EVERYTHING,
    KINDS,
    NAMED,
    Kind,
    block_calls,
    distinct_depths,
    new_model,
    random_tokens,
    stirred,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", EVERYTHING)
def test_a_cache_changes_no_logit(kind: Kind) -> None:
    model = stirred(new_model(kind))
    length = 7
    padding = torch.tensor([0, 3, 1])
    tokens = random_tokens(3, length)
    tokens[torch.arange(length) < padding[:, None]] = 0  # pads
    for depth in (MODES["fast"], model.trained_depth):
        with torch.no_grad():
            # What each row gives on its own, without pads, without a cache, is the truth.
            alone = [model(tokens[row : row + 1, pads:], depth).logits[0] for row, pads in enumerate(padding)]
            for pieces in (None, [1] * length, [3, 1, 2, 1]):
                logits = in_pieces(model, tokens, depth, padding, pieces)
                for row, pads in enumerate(padding):
                    close(logits[row, pads:], alone[row])
            # Without padding, in chunks and one by one, too: other masks are at work.
            whole = model(tokens, depth).logits
            for pieces in ([1] * length, [3, 1, 2, 1]):
                close(in_pieces(model, tokens, depth, None, pieces), whole)


def in_pieces(
    model: RecursiveLM, tokens: Tensor, depth: Depth, padding: Tensor | None, pieces: list[int] | None
) -> Tensor:
    """Logits (B, T, V) of `tokens`, fed piece by piece into a cache; None: at once, without one."""
    if pieces is None:
        return model(tokens, depth, padding=padding).logits
    cache = model.new_cache(len(tokens), tokens.size(1), depth)
    return torch.cat(
        [model(part, depth, cache, padding).logits for part in tokens.split(pieces, dim=1)], dim=1
    )


def close(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_changes_no_logit_at_any_depth(kind: Kind) -> None:
    model = stirred(new_model(kind))
    tokens = random_tokens(2, 5)
    for depth in distinct_depths(model).values():
        with torch.no_grad():
            close(in_pieces(model, tokens, depth, None, [3, 1, 1]), model(tokens, depth).logits)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_can_be_truncated_reset_and_reordered(kind: Kind) -> None:
    model = stirred(new_model(kind))
    tokens = random_tokens(3, 10)
    with torch.no_grad():
        cache = model.new_cache(3, CONTEXT)
        model(random_tokens(3, 7), cache=cache)
        cache.reset()
        model(torch.cat((tokens[:, :6], random_tokens(3, 4)), dim=1), cache=cache)
        cache.truncate(6)
        rows = torch.tensor([2, 0])
        cache.select(rows)
        assert cache.length == 6 and cache.capacity == CONTEXT
        logits = model(tokens[rows, 6:], cache=cache).logits
        close(logits, model(tokens[rows]).logits[:, 6:])


@pytest.mark.parametrize("kind", [*KINDS, *NAMED])
def test_a_cache_has_a_slot_for_each_attention_call(kind: Kind) -> None:
    model = new_model(kind)
    for depth in MODES.values():
        cache = model.new_cache(1, 4, depth)
        assert len(cache.keys) == model.attention_calls(depth) == block_calls(model, depth)
