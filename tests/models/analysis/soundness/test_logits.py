"""A healthy model of every architecture is found sound, and one that is broken on purpose is not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from models.analysis.soundness.logits import check_cache, check_causality, check_depth
from models.architectures import ARCHITECTURES
from models.depth import Depth
from models.layers.attention import AttentionContext
from models.recursive_lm import RecursiveLM
from tests.models.small_models import small_model, stirred


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# The others, which take longer, are in the long proofs.
QUICK = ("looped", "recursive_router", "transformer")


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES],
)
def test_a_healthy_model_is_sound(architecture: str) -> None:
    model = stirred(small_model(architecture, ngram=3))
    results = [check_causality(model), check_cache(model), check_depth(model)]
    assert [result.verdict for result in results[:2]] == ["sound", "sound"]
    assert results[2].verdict == ("sound" if model.recursive else "not applicable")


def sees_later_tokens(model: RecursiveLM) -> None:
    before = model.attention_context

    def both_ways(*arguments: Any) -> AttentionContext:
        context = before(*arguments)
        context.causal = False
        return context

    model.attention_context = both_ways  # type: ignore[method-assign]


def forgets_positions(model: RecursiveLM) -> None:
    before = model.positions
    model.positions = lambda tokens, cache, *more: before(tokens, None, *more)  # type: ignore[method-assign]


def ignores_depth(model: RecursiveLM) -> None:
    before = model.hidden
    model.hidden = lambda tokens, depth, context: before(tokens, Depth(1), context)  # type: ignore[method-assign]


def gives_nan(model: RecursiveLM) -> None:
    model.head.weight.data.fill_(torch.nan)


@pytest.mark.parametrize(
    ("break_it", "check"),
    [
        (sees_later_tokens, check_causality),
        (forgets_positions, check_cache),
        (ignores_depth, check_depth),
        (gives_nan, check_causality),
        (gives_nan, check_cache),
        (gives_nan, check_depth),
    ],
)
def test_a_broken_model_is_not_sound(
    break_it: Callable[[RecursiveLM], None], check: Callable[[RecursiveLM], Any]
) -> None:
    model = stirred(small_model("looped"))
    break_it(model)
    result = check(model)
    assert result.verdict == "not sound", result.found
    assert result.limit is not None and not 0 < result.limit - result.value < result.limit
