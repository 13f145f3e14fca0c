"""mixture_of_recursions: exact counts, routers in every layer, real gradients, every kind of position."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from data.errors import UsageError
from models.architectures import build_model, model_config, skeleton
from models.architectures.mixture_of_recursions import MixtureOfRecursions, RecursiveBlock
from models.depth import MODES, Depth, is_trained
from models.presets import PRESETS

VOCABULARY, CONTEXT, WIDTH = 24, 16, 32


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stirred(**more: Any) -> MixtureOfRecursions:
    """A small model whose routers send tokens away after every number of steps."""
    torch.manual_seed(0)
    small = {"d_model": WIDTH, "n_heads": 2, "context_length": CONTEXT, "vocab_size": VOCABULARY}
    values = {"architecture": "mixture_of_recursions", **small, "n_layers": 2, **more}
    model = build_model(model_config(values)).eval()
    assert isinstance(model, MixtureOfRecursions)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(
                torch.randn_like(weight) * (0.4 * weight.size(-1) ** -0.5 if weight.ndim > 1 else 0.1)
            )
        for layer in model.layers:
            if layer.routed:
                layer.router_out.weight.mul_(10)
    return model


def some_text() -> tuple[Tensor, Tensor]:
    pads = torch.tensor([0, 4, 1])
    tokens = torch.randint(1, VOCABULARY, (3, CONTEXT))
    tokens[torch.arange(CONTEXT) < pads[:, None]] = 0
    return tokens, pads


@pytest.mark.parametrize(("tied", "parameters"), [(True, 29_113_758), (False, 41_401_758)])
def test_mor_technical_is_exact(tied: bool, parameters: int) -> None:
    preset = PRESETS["mor-technical"]
    values = {"architecture": preset.architecture, **preset.model, "vocab_size": 32_000, "tied": tied}
    total, embedding = skeleton(model_config(values)).parameter_counts()
    assert total == parameters
    tables = 1 if tied else 2
    assert embedding == tables * 32_000 * 384 + 128 * 384
    width, hidden = 384, 2048
    attention = 4 * width**2 + width
    feed_forward = 2 * width * hidden + hidden + width
    steps, router = 4 * (width**2 + width), width * 96 + 96 + 96 * 5 + 5
    assert total - embedding == 6 * (attention + feed_forward + 4 * width + steps + router) + 4 * width


def test_tokens_that_leave_are_not_computed() -> None:
    model = stirred(max_steps=4)
    tokens, _ = some_text()
    given: list[int] = []
    for part in model.modules():
        if isinstance(part, RecursiveBlock):
            part.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].numel() // WIDTH))
    with torch.no_grad():
        passes = model(tokens[:1]).passes
    assert len(passes.unique()) > 2, "the routers split nothing"
    assert sum(given) == round(float(passes.sum()) * 2)
    assert sum(given) < 2 * 5 * CONTEXT


def test_a_mode_caps_the_steps_of_every_layer() -> None:
    model = stirred(max_steps=4, router="fixed")
    tokens, _ = some_text()
    with torch.no_grad():
        for most, depth in enumerate(MODES.values()):
            assert (model(tokens, depth).passes == 1 + most).all()
    assert list(model.modes()) == list(MODES)
    assert model.trained_depth == Depth(5)
    assert all(is_trained(model, depth) for depth in MODES.values())
    assert list(stirred(max_steps=2).modes()) == ["fast", "normal", "deep"]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_fixed_router_takes_the_configured_steps(steps: int) -> None:
    model = stirred(max_steps=2, router="fixed", fixed_steps=steps)
    tokens, _ = some_text()
    with torch.no_grad():
        assert (model(tokens).passes == 1 + steps).all()
        assert (model(tokens, MODES["extreme"]).passes == 1 + steps).all()
    assert model.recursive == (steps > 0)
    assert not any("router" in name for name, _ in model.named_parameters())
    assert all(len(layer.steps) == steps for layer in model.layers)


def test_a_higher_threshold_means_more_steps() -> None:
    model = stirred()
    tokens, _ = some_text()
    with torch.no_grad():
        passes = [model(tokens, Depth(3, halt=halt)).passes.mean() for halt in (0.0, 0.2, 0.5, 0.8)]
    assert passes[0] == 1
    assert passes == sorted(set(passes))


@pytest.mark.parametrize("positions", ["rotary", "learned", "sinusoidal"])
def test_dense_and_packed_passes_give_the_same_logits(positions: str) -> None:
    model = stirred(positions=positions)
    tokens, pads = some_text()
    real = torch.arange(CONTEXT) >= pads[:, None]
    for depth in (Depth(1), Depth(2), Depth(3), Depth(3, halt=0.8)):
        with torch.no_grad():
            packed = model(tokens, depth, padding=pads)
        dense = model(tokens, depth, padding=pads)
        assert (packed.logits - dense.logits)[real].abs().max() < 1e-5
        assert torch.allclose(packed.passes, dense.passes)
        assert not packed.passes[~real].any()


def test_the_loss_gives_routers_a_gradient_and_not_only_the_price() -> None:
    """argmax without a gradient leaves depth to chance; here the cross-entropy reaches each router."""
    model = stirred(ponder_cost=1e-30).train()
    tokens = torch.randint(0, VOCABULARY, (2, CONTEXT))
    model.training_loss(tokens[:, :-1], tokens[:, 1:], Depth(3)).total.backward()
    for layer in model.layers:
        for weight in (*layer.router_in.parameters(), *layer.router_out.parameters()):
            assert weight.grad is not None and weight.grad.abs().max() > 1e-6


def test_training_reads_out_the_state_after_the_steps_taken() -> None:
    """The straight-through weights change the gradient and not the state."""
    model = stirred().train()
    tokens = torch.randint(0, VOCABULARY, (2, CONTEXT))
    torch.manual_seed(1)
    with_gradient = model(tokens).logits
    for layer in model.layers:
        layer.requires_grad_(False)  # and so nothing the routers read
    model.embedding.requires_grad_(False)
    model.embedding_norm.requires_grad_(False)
    torch.manual_seed(1)
    state = model(tokens)
    assert (state.logits - with_gradient).abs().max() < 1e-5
    assert len(state.passes.unique()) > 1


def test_some_tokens_draw_their_steps_in_training() -> None:
    tokens = torch.randint(0, VOCABULARY, (8, CONTEXT))
    for share, differing in ((0.0, False), (1.0, True)):
        model = stirred(exploration=share)
        decided = model(tokens).passes
        tried = model.train()(tokens).passes
        assert bool((decided - tried).abs().max() > 1e-6) == differing


def test_a_new_step_only_applies_the_layer_again() -> None:
    torch.manual_seed(0)
    values = {"d_model": WIDTH, "n_heads": 2, "vocab_size": VOCABULARY, "context_length": CONTEXT}
    model = build_model(model_config({"architecture": "mixture_of_recursions", **values}))
    assert isinstance(model, MixtureOfRecursions)
    assert not any(step.weight.any() for layer in model.layers for step in layer.steps)
    with torch.no_grad():
        assert (model.eval()(torch.zeros(1, 4, dtype=torch.int64)).passes == 3).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("router", "sometimes"), ("n_layers", 0), ("ponder_cost", 0.0), ("max_steps", 5), ("fixed_steps", 3),
     ("exploration", -0.1), ("n_heads", 3), ("d_feed_forward", 2), ("positions", "polar")],
)  # fmt: skip
def test_the_error_names_the_wrong_field(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{'d_model' if field == 'n_heads' else field}"):
        stirred(**{field: value})
