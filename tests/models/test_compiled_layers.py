"""A training step by compiled code gives the loss and the gradients that torch gives."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.architectures import ARCHITECTURES, build_model, model_config
from models.device import autocast
from models.kernels import calls
from models.kernels.library import compiled_library

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="there is no C compiler")
SIZES = {"d_model": 32, "n_heads": 2, "context_length": 24, "vocab_size": 20, "dropout": 0.0}
MODELS: dict[str, dict[str, Any]] = {
    **{name: {"architecture": name} for name in ARCHITECTURES},
    "gated looped": {"architecture": "looped", "gated": True},
    "gated recursions": {"architecture": "mixture_of_recursions", "n_layers": 3, "gated_layers": 1},
    "soft router": {"architecture": "recursive_router", "router": "soft"},
}


def step_of(fields: dict[str, Any], number_format: str, documents: Tensor | None) -> dict[str, Tensor]:
    """The loss and the gradients of one step of a model, whose weights are none of those it starts with."""
    torch.manual_seed(0)
    model = build_model(model_config({**SIZES, **fields})).train()
    tokens = torch.randint(20, (3, 25))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.05)
    with autocast(torch.device("cpu"), number_format):
        loss = model.training_loss(tokens[:, :-1], tokens[:, 1:], model.trained_depth, documents).total
    loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return {"loss": loss.detach(), **found}


@pytest.mark.parametrize(("number_format", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
@pytest.mark.parametrize("name", MODELS)
def test_a_step_is_the_one_of_torch(
    name: str, number_format: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for documents in (None, (torch.arange(24) >= 9).long().expand(3, -1)):
        with monkeypatch.context() as patch:
            patch.setattr(calls, "compiled_library", lambda: None)
            expected = step_of(MODELS[name], "float32", documents)
        found = step_of(MODELS[name], number_format, documents)
        assert found.keys() == expected.keys()
        for weight, right in expected.items():
            assert float((found[weight] - right).norm()) <= tolerance * float(right.norm()) + 1e-5, weight


@pytest.mark.parametrize("name", MODELS)
def test_a_format_that_compiled_code_does_not_know_is_left_to_torch(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = step_of(MODELS[name], "float16", None)
    with monkeypatch.context() as patch:
        patch.setattr(calls, "compiled_library", lambda: None)
        expected = step_of(MODELS[name], "float32", None)
    assert float(found["loss"]) == pytest.approx(float(expected["loss"]), rel=0.02)
