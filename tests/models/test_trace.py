"""A trace holds every pass of a forward call."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from data.errors import UsageError
from models.architectures import ARCHITECTURES
from models.depth import Depth
from models.layers.block import Block
from models.layers.trace import Ablation
from tests.models.small_models import RECURSIVE, VOCABULARY, small_model, stirred

DEPTH = Depth(3, 2)
EXPECTED = {
    "looped": {"core": 3},
    "hrm": {"low": 6, "high": 3},
    "trm": {"reasoning": 6, "answer": 3},
    "ouroboros": {"block": 3},
    "recursive_router": {"stack": 1, "recursive layer": 2},
    "mixture_of_recursions": {"layer 1": 3, "layer 2": 3},
    "transformer": {"layer 1": 1, "layer 2": 1},
}


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(1, VOCABULARY, (3, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("gradients", [False, True], ids=["inference", "training"])
def test_every_application_is_a_pass_of_its_level(name: str, gradients: bool, tokens: torch.Tensor) -> None:
    model = stirred(small_model(name))
    with torch.set_grad_enabled(gradients):
        trace = model(tokens, DEPTH, trace=True).trace
    assert Counter(one.level for one in trace) == EXPECTED[name]
    for level, count in EXPECTED[name].items():
        assert [one.number for one in trace if one.level == level] == list(range(1, count + 1))
    assert all(one.state.shape == (3, 9, 32) and one.state.isfinite().all() for one in trace)
    assert all(one.logits().shape == (3, 9, VOCABULARY) for one in trace)
    assert all(one.logits().dtype == torch.float32 for one in trace)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_trace_changes_no_logit_and_ends_with_them(name: str, tokens: torch.Tensor) -> None:
    model = stirred(small_model(name))
    pads = torch.tensor([0, 3, 1])
    for depth in (DEPTH, replace(DEPTH, halt=0.5)):
        with torch.no_grad():
            plain = model(tokens, depth, padding=pads)
            traced = model(tokens, depth, padding=pads, trace=True)
            last = traced.trace[-1].logits()
        assert plain.trace == []
        assert torch.equal(plain.logits, traced.logits)
        assert torch.equal(plain.passes, traced.passes)
        assert torch.equal(last, traced.logits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_trace_leaves_the_cache_as_it_would_be(name: str, tokens: torch.Tensor) -> None:
    model = stirred(small_model(name))
    caches = [model.new_cache(3, 9, DEPTH) for _ in range(2)]
    for part in tokens.split(4, dim=1):
        with torch.no_grad():
            plain = model(part, DEPTH, caches[0])
            traced = model(part, DEPTH, caches[1], trace=True)
            last = traced.trace[-1].logits()
        assert torch.equal(plain.logits, traced.logits)
        assert torch.equal(last, traced.logits)
    assert torch.equal(caches[0].keys, caches[1].keys)


@pytest.mark.parametrize("name", RECURSIVE)
def test_a_pass_in_the_middle_answers_as_a_model_that_ends_there(name: str, tokens: torch.Tensor) -> None:
    model = stirred(small_model(name))
    if name in ("recursive_router", "mixture_of_recursions"):
        # Each token's own number of passes is no depth; with a fixed router all take all.
        model = stirred(small_model(name, router="fixed", **({"n_layers": 1} if "mix" in name else {})))
    with torch.no_grad():
        trace = model(tokens, DEPTH, trace=True).trace
        shallow = model(tokens, Depth(2, 2)).logits
    top = [one for one in trace if one.level == trace[-1].level]
    assert torch.allclose(top[-2].logits(), shallow, atol=1e-5)


@pytest.mark.parametrize("name", RECURSIVE)
def test_a_pass_holds_the_score_or_the_probabilities_that_tokens_leave_by(
    name: str, tokens: torch.Tensor
) -> None:
    model = stirred(small_model(name))
    with torch.no_grad():
        trace = model(tokens, DEPTH, trace=True).trace
    if model.early_exit == "always":
        routed = [one.router for one in trace if one.router is not None]
        assert len(routed) == sum(one.number == 1 and one.level != "recursive layer" for one in trace)
        for probabilities in routed:
            assert probabilities.shape == (3, 9, DEPTH.cycles)
            assert torch.allclose(probabilities.sum(-1), torch.ones(3, 9))
    else:
        scores = [one.halting for one in trace if one.level == model.levels[0]]
        for score in scores:
            assert score is not None and score.shape == (3, 9)
            assert ((score >= 0) & (score <= 1)).all()


def test_a_token_that_left_keeps_its_state(tokens: torch.Tensor) -> None:
    model = stirred(small_model("hrm"))
    with torch.no_grad():
        every = model(tokens, DEPTH, trace=True).trace
        scores = torch.stack([one.halting for one in every if one.level == "high"])  # type: ignore[misc]
        output = model(tokens, replace(DEPTH, halt=float(scores[0].median())), trace=True)
    left = output.passes == 1
    assert left.any() and not left.all()
    for level in ("low", "high"):
        states = [one.state for one in output.trace if one.level == level]
        first = states[1] if level == "low" else states[0]  # two low steps belong to the first cycle
        assert torch.equal(states[-1][left], first[left])
        assert not torch.equal(states[-1][~left], first[~left])


def test_no_block_is_called_for_logits_that_nobody_asks_for(tokens: torch.Tensor) -> None:
    model = stirred(small_model("trm"))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    for part in model.modules():
        if isinstance(part, Block) or part is model.head:
            part.register_forward_hook(count)
    with torch.no_grad():
        model(tokens, DEPTH, trace=True)
    assert calls == model.attention_calls(DEPTH) + 1


@pytest.mark.parametrize("name", ["looped", "hrm", "trm", "ouroboros"])
@torch.no_grad()
def test_a_trace_keeps_the_halting_score_when_all_tokens_leave(name: str, tokens: torch.Tensor) -> None:
    model = stirred(small_model(name))
    left = model(tokens, replace(DEPTH, halt=0.0), trace=True).trace
    stayed = model(tokens, replace(DEPTH, halt=1.0), trace=True).trace
    (score,) = [one.halting for one in left if one.halting is not None]
    first = next(one.halting for one in stayed if one.halting is not None)
    assert torch.equal(score, first)


@pytest.mark.parametrize("name", ["recursive_router", "mixture_of_recursions"])
@torch.no_grad()
def test_skipped_cycles_are_not_counted_as_passes(name: str, tokens: torch.Tensor) -> None:
    model = stirred(small_model(name))
    without = Ablation(skip=frozenset({2, 3}))
    assert (model(tokens, replace(DEPTH, halt=1.0), ablation=without).passes == 1).all()


@pytest.mark.parametrize("name", ["looped", "recursive_router"])
def test_a_cycle_deeper_than_the_depth_cannot_be_skipped(name: str, tokens: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="no cycle 7 at depth 3x2"):
        stirred(small_model(name))(tokens, DEPTH, ablation=Ablation(skip=frozenset({7})))
