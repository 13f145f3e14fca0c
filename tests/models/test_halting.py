"""Early exit: tokens leave the recursion, and later tokens get the same logits with and without a cache."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.depth import Depth
from models.layers.block import Block
from models.recursive_lm import RecursiveLM
from tests.models import small_models
from tests.models.small_models import RECURSIVE, VOCABULARY, small_model

LENGTH = 9
DEEP = Depth(5, 2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stirred(name: str, **more: object) -> RecursiveLM:
    """A small model none of whose weights is zero."""
    return small_models.stirred(small_model(name, ngram=2, **more))


def splitting(model: RecursiveLM, tokens: Tensor, pads: Tensor) -> Depth:
    """A threshold at which some tokens leave and some go on: in the middle of the scores, or for a
    router, the one that splits most evenly."""
    if model.early_exit == "always":
        real = torch.arange(LENGTH) >= pads[:, None]

        def spread(threshold: float) -> float:
            with torch.no_grad():
                return float(model(tokens, replace(DEEP, halt=threshold), padding=pads).passes[real].std())

        return replace(DEEP, halt=max((number / 40 for number in range(1, 40)), key=spread))
    scores: list[Tensor] = []
    original = model.halting_score

    def listening(before: Tensor, after: Tensor) -> Tensor:
        scores.append(original(before, after))
        return scores[-1]

    model.halting_score = listening  # type: ignore[method-assign]
    with torch.no_grad():
        model(tokens, Depth(DEEP.cycles, DEEP.steps, halt=1.0), padding=pads)
    model.halting_score = original  # type: ignore[method-assign]
    return Depth(DEEP.cycles, DEEP.steps, halt=float(torch.cat([s.flatten() for s in scores]).median()))


def some_text() -> tuple[Tensor, Tensor]:
    pads = torch.tensor([0, 4, 1])
    tokens = torch.randint(1, VOCABULARY, (3, LENGTH))
    tokens[torch.arange(LENGTH) < pads[:, None]] = 0
    return tokens, pads


@pytest.mark.parametrize("name", RECURSIVE)
@pytest.mark.parametrize("pieces", [[1] * LENGTH, [4, 1, 3, 1]], ids=["one by one", "in chunks"])
def test_leaving_early_is_the_same_with_and_without_a_cache(name: str, pieces: list[int]) -> None:
    model = stirred(name)
    tokens, pads = some_text()
    depth = splitting(model, tokens, pads)
    with torch.no_grad():
        cache = model.new_cache(3, LENGTH, depth)
        parts = [model(part, depth, cache, pads) for part in tokens.split(pieces, dim=1)]
        logits = torch.cat([part.logits for part in parts], dim=1)
        passes = torch.cat([part.passes for part in parts], dim=1)
        for row, pad in enumerate(pads):
            alone = model(tokens[row : row + 1, pad:], depth)
            assert (alone.logits[0] - logits[row, pad:]).abs().max() < 1e-4
            assert torch.equal(alone.passes[0], passes[row, pad:])
    real = torch.arange(LENGTH) >= pads[:, None]
    assert len(passes[real].unique()) > 1, "the threshold split nothing"
    assert not passes[~real].any()


@pytest.mark.parametrize("name", RECURSIVE)
def test_leaving_early_is_causal(name: str) -> None:
    model = stirred(name)
    tokens, _ = some_text()
    depth = splitting(model, tokens, torch.zeros(3, dtype=torch.int64))
    with torch.no_grad():
        before = model(tokens, depth)
        for place in range(1, LENGTH):
            changed = tokens.clone()
            changed[:, place:] = (changed[:, place:] + 1 + place) % VOCABULARY
            after = model(changed, depth)
            assert (after.logits[:, :place] - before.logits[:, :place]).abs().max() < 1e-5
            assert torch.equal(after.passes[:, :place], before.passes[:, :place])


@pytest.mark.parametrize("name", RECURSIVE)
def test_a_token_that_left_is_not_computed(name: str) -> None:
    model = stirred(name)
    tokens, _ = some_text()
    depth = splitting(model, tokens, torch.zeros(3, dtype=torch.int64))
    one_row = tokens[:1]

    def token_calls(depth: Depth) -> int:
        calls = 0

        def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal calls
            calls += output.size(0) * output.size(1)

        handles = [part.register_forward_hook(count) for part in model.modules() if isinstance(part, Block)]
        with torch.no_grad():
            model(one_row, depth)
        for handle in handles:
            handle.remove()
        return calls

    with torch.no_grad():
        passes = model(one_row, depth).passes
    each = model.attention_calls(Depth(2, depth.steps)) - model.attention_calls(Depth(1, depth.steps))
    saved = float((model.passes(depth) - passes).sum()) * each
    assert saved > 0
    # A router's tokens leave unless they are never sure enough.
    assert token_calls(depth) == token_calls(replace(depth, halt=1.0)) - saved


@pytest.mark.parametrize("name", RECURSIVE)
def test_a_threshold_that_no_token_reaches_changes_nothing(name: str) -> None:
    model = stirred(name)
    tokens, pads = some_text()
    with torch.no_grad():
        # With gradients, where there is a router, every pass is computed for every token.
        routed = model.early_exit == "always"
        with torch.set_grad_enabled(routed):
            whole = model(tokens, replace(DEEP, halt=1.0) if routed else DEEP, padding=pads)
        model.halting_score = lambda before, after: after.new_zeros(after.shape[:2])  # type: ignore[method-assign]
        halting = model(tokens, replace(DEEP, halt=1.0), padding=pads)
        for row, pad in enumerate(pads):
            assert (whole.logits[row, pad:] - halting.logits[row, pad:]).abs().max() < 1e-5
            assert (halting.passes[row, pad:] == model.passes(DEEP)).all()


def test_in_a_dense_model_no_token_leaves_and_pads_take_no_pass() -> None:
    model = stirred("transformer")
    tokens, pads = some_text()
    assert model.early_exit == "never"
    with torch.no_grad():
        whole, halting = (model(tokens, depth, padding=pads) for depth in (DEEP, replace(DEEP, halt=0.1)))
        cache = model.new_cache(3, LENGTH)
        parts = [model(part, DEEP, cache, pads).passes for part in tokens.split(4, dim=1)]
    assert torch.equal(whole.logits, halting.logits)
    assert torch.equal(halting.passes, (torch.arange(LENGTH) >= pads[:, None]).float())
    assert torch.equal(torch.cat(parts, dim=1), whole.passes)
