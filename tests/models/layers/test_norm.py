"""The gradient of rms_norm is that of its formula, in every number format and layout that training uses."""

import pytest
import torch
from torch import Tensor

from models.layers import norm
from models.layers.norm import EPSILON, rms_norm


@pytest.fixture(params=["compiled", "by torch"], autouse=True)
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by torch":
        monkeypatch.setattr(norm, "can_fuse", lambda *_: False)


def by_formula(x: Tensor, gain: Tensor | None) -> Tensor:
    normed = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)
    return normed if gain is None else normed * gain


@pytest.mark.parametrize("number_format", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("has_gain", [False, True])
@pytest.mark.parametrize("layout", ["whole", "slice", "swapped"])
def test_values_and_gradients(number_format: torch.dtype, has_gain: bool, layout: str) -> None:
    torch.manual_seed(0)
    whole = torch.randn(3, 4, 5, 24) * torch.tensor([1e-3, 1.0, 30.0])[:, None, None, None]
    x = {"whole": whole, "slice": whole[:, :, 1:3], "swapped": whole.transpose(1, 2)}[layout]
    x = x.to(number_format).requires_grad_()
    gain = None
    if has_gain:
        of_gain = torch.float64 if number_format == torch.float64 else torch.float32
        gain = (0.5 + torch.rand(24, dtype=of_gain)).requires_grad_()
    given = [x] if gain is None else [x, gain]
    y = rms_norm(x, gain)
    outer = torch.randn(y.shape).to(number_format)
    gradients = torch.autograd.grad(y, given, outer)
    exact = [one.detach().double().requires_grad_() for one in given]
    wanted = by_formula(exact[0], exact[1] if has_gain else None)
    wanted_gradients = torch.autograd.grad(wanted, exact, outer.double())
    near = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2}[number_format]
    assert y.dtype == number_format
    torch.testing.assert_close(y.double(), wanted, rtol=near, atol=near)
    for one, other in zip(gradients, wanted_gradients, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one.double() / scale, other / scale, rtol=near, atol=near)


def test_a_gradient_in_another_order() -> None:
    x, gain = torch.randn(2, 3, 5, 8, requires_grad=True), torch.rand(8, requires_grad=True)
    outer = torch.randn(2, 5, 3, 8).transpose(1, 2)
    y, same = rms_norm(x.transpose(0, 1), gain), rms_norm(x.transpose(0, 1).contiguous(), gain)
    for order in (outer.transpose(0, 1), outer.transpose(0, 1).contiguous()):
        found, wanted = (torch.autograd.grad(one, (x, gain), order, retain_graph=True) for one in (y, same))
        torch.testing.assert_close(found, wanted)


def test_training_and_evaluation_agree() -> None:
    torch.manual_seed(0)
    x, gain = torch.randn(2, 7, 16, requires_grad=True), torch.rand(16)
    with torch.no_grad():
        evaluated = rms_norm(x, gain)
    assert type(rms_norm(x, gain).grad_fn).__name__[0] == "_"  # its own gradient, not torch's
    torch.testing.assert_close(rms_norm(x, gain), evaluated, rtol=1e-6, atol=1e-6)


def test_the_gradient_is_the_same_under_autocast() -> None:
    torch.manual_seed(0)
    x, gain = torch.randn(2, 7, 16, requires_grad=True), torch.rand(16, requires_grad=True)
    y, outer = rms_norm(x, gain), torch.randn(2, 7, 16)
    wanted = torch.autograd.grad(y, (x, gain), outer, retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(y, (x, gain), outer)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_one_position() -> None:
    x = torch.randn(24, requires_grad=True)
    rms_norm(x, torch.ones(24, requires_grad=True)).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (24,)
