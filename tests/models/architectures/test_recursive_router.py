"""recursive_router: exact counts, a router that is causal, skips and learns what a pass is worth."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from data.errors import UsageError
from models.architectures import build_model, model_config, skeleton
from models.architectures.recursive_router import RecursiveRouter
from models.depth import MODES, Depth, is_trained
from models.presets import PRESETS

VOCABULARY, CONTEXT = 24, 16


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stirred(**more: Any) -> RecursiveRouter:
    """A small model whose router sends tokens away after 0, 1 and 2 passes."""
    torch.manual_seed(0)
    small = {"d_model": 32, "n_heads": 2, "context_length": CONTEXT, "vocab_size": VOCABULARY, "n_layers": 1}
    model = build_model(model_config({"architecture": "recursive_router", **small, **more})).eval()
    assert isinstance(model, RecursiveRouter)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(
                torch.randn_like(weight) * (0.4 * weight.size(-1) ** -0.5 if weight.ndim > 1 else 0.1)
            )
        if model.config.router != "fixed":
            model.router.weight.mul_(6)
    return model


def some_text() -> tuple[Tensor, Tensor]:
    pads = torch.tensor([0, 4, 1])
    tokens = torch.randint(1, VOCABULARY, (3, CONTEXT))
    tokens[torch.arange(CONTEXT) < pads[:, None]] = 0
    return tokens, pads


def tokens_given(model: RecursiveRouter) -> list[int]:
    """A list that grows by the tokens of each call of the recursive layer."""
    given: list[int] = []
    model.recursive_layer.register_forward_pre_hook(
        lambda part, inputs: given.append(inputs[0].numel() // 32)
    )
    return given


def test_recursive_48m_is_exact() -> None:
    preset = PRESETS["recursive-48m"]
    values = {"architecture": preset.architecture, **preset.model, "vocab_size": 50_257}
    total, embedding = skeleton(model_config(values)).parameter_counts()
    assert embedding == 25_731_584 + 131_072
    assert total - embedding == 7 * 3_152_384 + 1_539 + 1_024
    assert total == 47_931_907


def test_tokens_that_leave_are_not_computed() -> None:
    model = stirred()
    tokens, _ = some_text()
    given = tokens_given(model)
    with torch.no_grad():
        passes = model(tokens[:1]).passes - 1
    assert set(passes.unique().tolist()) == {0, 1, 2}, "the router splits nothing"
    assert given == [int((passes >= 1).sum()), int((passes >= 2).sum())]


def test_a_mode_caps_the_passes() -> None:
    model = stirred()
    tokens, _ = some_text()
    with torch.no_grad():
        wanted = model(tokens).passes
        for mode, most in {"fast": 1, "normal": 2, "deep": 3, "thorough": 3, "extreme": 3}.items():
            assert torch.equal(model(tokens, MODES[mode]).passes, wanted.clamp(max=most))
    assert list(model.modes()) == ["fast", "normal", "deep"]
    assert all(is_trained(model, depth) for depth in MODES.values())


def test_a_higher_threshold_means_more_passes() -> None:
    model = stirred()
    tokens, _ = some_text()
    with torch.no_grad():
        passes = [model(tokens, Depth(3, halt=halt)).passes for halt in (0.0, 0.2, 0.5, 0.8)]
    assert (passes[0] == 1).all()
    for lower, higher in itertools.pairwise(passes):
        assert (lower <= higher).all() and lower.sum() < higher.sum()


@pytest.mark.parametrize("router", ["hard", "soft", "fixed"])
def test_dense_and_packed_passes_give_the_same_logits(router: str) -> None:
    model = stirred(router=router)
    tokens, pads = some_text()
    for depth in (Depth(1), Depth(2), Depth(3), Depth(3, halt=0.8)):
        with torch.no_grad():
            packed = model(tokens, depth, padding=pads)
        dense = model(tokens, depth, padding=pads)
        real = torch.arange(CONTEXT) >= pads[:, None]
        assert (packed.logits - dense.logits)[real].abs().max() < 1e-5
        assert torch.equal(packed.passes, dense.passes)
        assert not packed.passes[~real].any()


def test_later_passes_see_tokens_that_left() -> None:
    model = stirred()
    tokens = torch.randint(1, VOCABULARY, (8, CONTEXT))
    with torch.no_grad():
        passes = model(tokens).passes
        row = next(row for row in range(8) if passes[row, 3] == 1 and (passes[row, 4:] > 1).any())
        seen = model(tokens[row : row + 1]).logits
        remember = model.recursive_layer.attention.remember
        model.recursive_layer.attention.remember = lambda x, *rest: remember(torch.zeros_like(x), *rest)
        forgotten = model(tokens[row : row + 1]).logits
    later = passes[row] > 1
    later[:4] = False
    assert (seen - forgotten)[0, later].abs().max() > 1e-3


def test_the_gradient_of_the_router_follows_the_loss_of_each_pass() -> None:
    """Its gradient is that of the expected loss, by finite differences too."""
    model = stirred(ponder_cost=0.05, exploration=0.0).train()
    tokens = torch.randint(0, VOCABULARY, (2, CONTEXT))

    def expected() -> Tensor:
        return model.training_loss(tokens[:, :-1], tokens[:, 1:], Depth(3)).total

    expected().backward()
    bias = model.router.bias
    assert bias.grad is not None
    analytic, step = bias.grad.clone(), 1e-2
    for choice in range(3):
        with torch.no_grad():
            bias[choice] += step
            above = expected()
            bias[choice] -= 2 * step
            below = expected()
            bias[choice] += step
        assert float(above - below) / (2 * step) == pytest.approx(float(analytic[choice]), abs=2e-3)


def test_the_soft_router_weighs_every_pass() -> None:
    model = stirred(router="soft")
    tokens, _ = some_text()
    given = tokens_given(model)
    with torch.no_grad():
        passes = model(tokens).passes
    assert (passes == 3).all() and given == [tokens.numel()] * 2
    model.training_loss(tokens[:, :-1], tokens[:, 1:], Depth(3)).next_token.abs()


@pytest.mark.parametrize(
    ("field", "value"),
    [("router", "sometimes"), ("n_layers", 0), ("ponder_cost", 0.0), ("exploration", 1.5), ("n_heads", 3),
     ("d_feed_forward", 2), ("positions", "polar")],
)  # fmt: skip
def test_the_error_names_the_wrong_field(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{'d_model' if field == 'n_heads' else field}"):
        stirred(**{field: value})
