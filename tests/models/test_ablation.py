"""An ablation leaves out what it names, and nothing else."""

import pytest
import torch
from torch import Tensor

from data.errors import UsageError
from models.depth import Depth
from models.layers.trace import Ablation
from models.recursive_lm import RecursiveLM
from tests.models.small_models import RECURSIVE, VOCABULARY, small_model, stirred

ROUTED = ("recursive_router", "mixture_of_recursions")
INJECTED = [name for name in RECURSIVE if name not in ROUTED]
DEEP = Depth(3, 2)


def some_tokens() -> Tensor:
    return torch.randint(1, VOCABULARY, (3, 9), generator=torch.Generator().manual_seed(1))


def logits(model: RecursiveLM, depth: Depth, **skipped: object) -> Tensor:
    with torch.no_grad():
        return model(some_tokens(), depth, ablation=Ablation(**skipped)).logits  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECURSIVE)
def test_without_its_last_cycle_a_depth_is_the_one_before(name: str) -> None:
    model = stirred(small_model(name))
    tokens = some_tokens()
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients):
            skipped = model(tokens, DEEP, ablation=Ablation(skip=frozenset({3})))
            shallow, deep = model(tokens, Depth(2, 2)), model(tokens, DEEP)
        assert torch.allclose(skipped.logits, shallow.logits, atol=1e-5)
        assert torch.equal(skipped.passes, shallow.passes)
        assert not torch.allclose(skipped.logits, deep.logits, atol=1e-4)


@pytest.mark.parametrize("name", RECURSIVE)
@pytest.mark.parametrize("skip", [1, 2])
def test_a_skipped_cycle_is_not_computed_and_not_counted(name: str, skip: int) -> None:
    model = stirred(small_model(name, **({"router": "fixed"} if name in ROUTED else {})))
    if skip < model.first_skippable:
        with pytest.raises(UsageError, match="cannot skip cycle 1"):
            logits(model, DEEP, skip=frozenset({skip}))
        return
    tokens = some_tokens()
    with torch.no_grad():
        whole = model(tokens, DEEP, trace=True)
        skipped = model(tokens, DEEP, trace=True, ablation=Ablation(skip=frozenset({skip})))
    assert len(skipped.trace) < len(whole.trace)
    assert (skipped.passes < whole.passes).all()
    assert not torch.allclose(skipped.logits, whole.logits, atol=1e-4)


@pytest.mark.parametrize("name", RECURSIVE)
@pytest.mark.parametrize("halt", [None, 0.6])
def test_a_skipped_cycle_is_missed_with_a_cache_too(name: str, halt: float | None) -> None:
    model, tokens = stirred(small_model(name)), some_tokens()
    depth, ablation = Depth(4, 2, halt), Ablation(skip=frozenset({2}))
    with torch.no_grad():
        whole = model(tokens, depth, ablation=ablation)
        cache = model.new_cache(3, 9, depth)
        parts = [model(part, depth, cache, ablation=ablation) for part in tokens.split(2, dim=1)]
    assert torch.allclose(torch.cat([part.logits for part in parts], dim=1), whole.logits, atol=1e-4)
    assert torch.equal(torch.cat([part.passes for part in parts], dim=1), whole.passes)


@pytest.mark.parametrize("name", INJECTED)
def test_without_its_input_a_model_answers_something_else(name: str) -> None:
    model = stirred(small_model(name))
    assert not torch.allclose(logits(model, DEEP, drop_input=True), logits(model, DEEP), atol=1e-4)


def test_without_its_input_trm_does_not_know_what_it_read() -> None:
    model = stirred(small_model("trm"))
    found = logits(model, DEEP, drop_input=True)
    assert torch.allclose(found, found[:1, :1].expand_as(found), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "level"),
    [(name, level) for name in RECURSIVE for level in small_model(name).levels],
)
def test_a_frozen_level_has_no_pass(name: str, level: str) -> None:
    model, tokens = stirred(small_model(name)), some_tokens()
    with torch.no_grad():
        frozen = model(tokens, DEEP, trace=True, ablation=Ablation(freeze=level))
        whole = model(tokens, DEEP, trace=True)
    assert level in {one.level for one in whole.trace}
    assert {one.level for one in frozen.trace} == {one.level for one in whole.trace} - {level}
    assert not torch.allclose(frozen.logits, whole.logits, atol=1e-4)


@pytest.mark.parametrize(("name", "level"), [("looped", "core"), ("ouroboros", "block"), ("hrm", "high")])
def test_a_state_that_is_frozen_from_the_start_is_the_same_at_every_depth(name: str, level: str) -> None:
    model = stirred(small_model(name))
    assert torch.equal(logits(model, Depth(1), freeze=level), logits(model, DEEP, freeze=level))


@pytest.mark.parametrize(
    ("name", "ablation", "message"),
    [
        ("hrm", Ablation(freeze="core"), "hrm has no level 'core'"),
        ("transformer", Ablation(freeze="layer 1"), "transformer has no level"),
        ("transformer", Ablation(skip=frozenset({1})), "cannot skip cycle 1"),
        ("transformer", Ablation(drop_input=True), "does not give its input"),
        ("mixture_of_recursions", Ablation(drop_input=True), "does not give its input"),
        ("recursive_router", Ablation(skip=frozenset({1})), "cannot skip cycle 1"),
        ("looped", Ablation(skip=frozenset({0})), "cannot skip cycle 0"),
    ],
)
def test_what_an_architecture_does_not_have_cannot_be_left_out(
    name: str, ablation: Ablation, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        small_model(name)(some_tokens(), DEEP, ablation=ablation)
