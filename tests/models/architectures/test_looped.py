"""The halting head of the looped model."""

import torch
from torch import Tensor

from data.loader import IGNORED
from models.architectures import build_model, model_config
from models.depth import Depth
from models.losses import halting_loss
from models.recursive_lm import RecursiveLM


def model_with(**more: object) -> RecursiveLM:
    torch.manual_seed(0)
    shape = {"architecture": "looped", "vocab_size": 20, "context_length": 8, "d_model": 16, "n_heads": 2}
    return build_model(model_config({**shape, **more}))


def gradients(model: RecursiveLM, tokens: Tensor, targets: Tensor) -> dict[str, Tensor | None]:
    torch.manual_seed(1)
    model.training_loss(tokens, targets, Depth(4)).total.backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


def test_the_head_learns_and_changes_nothing_else() -> None:
    tokens, targets = torch.randint(1, 20, (2, 3, 8))
    plain, headed = model_with(), model_with(halting=True)
    headed.load_state_dict(plain.state_dict(), strict=False)
    without, found = gradients(plain, tokens, targets), gradients(headed, tokens, targets)
    head = found.pop("halting.weight"), found.pop("halting.bias")
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in head)
    for name, gradient in without.items():
        other = found[name]
        assert (gradient is None) == (other is None)
        assert gradient is None or torch.equal(gradient, other), name  # type: ignore[arg-type]


def test_a_token_without_a_target_does_not_count() -> None:
    values, now, end = torch.randn(1, 4, 2), torch.randn(1, 4, 5), torch.randn(1, 4, 5)
    targets = torch.tensor([[1, 2, IGNORED, 3]])
    asked = [0, 1, 3]
    whole = halting_loss(values, now, end, targets)
    part = halting_loss(values[:, asked], now[:, asked], end[:, asked], targets[:, asked])
    assert torch.allclose(whole, part)


def test_a_head_leaves_where_the_answer_is_right_already() -> None:
    model = model_with(halting=True)
    assert model.default_halt == 0.45 and model_with().default_halt == 0.9
    state = torch.randn(1, 2, 16)
    with torch.no_grad():
        model.halting.weight.zero_()
        model.halting.bias.copy_(torch.tensor([2.0, 0.0]))
        assert (model.halting_score(state, state) > 0.8).all()
        model.halting.bias.copy_(torch.tensor([0.0, 2.0]))
        assert (model.halting_score(state, state) < 0.2).all()
