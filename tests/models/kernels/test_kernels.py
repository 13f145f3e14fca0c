"""Compiled operations compute what torch computes, forward and backward."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.kernels.attention import can_fuse_attention, fused_attention
from models.kernels.calls import can_fuse
from models.kernels.feed_forward import fused_gelu, fused_swiglu
from models.kernels.heads import fused_heads
from models.kernels.library import compiled_library
from models.kernels.norm import fused_norm
from models.kernels.residual import (
    Norm,
    add_then_norm,
    add_with_bias,
    add_with_copy,
    add_with_norm,
    with_copy,
)
from models.kernels.routing import choose, weighted_sum
from tests.models.kernels.cases import CASES, COS, SIN, by_head, drawn, layer_norm, normed

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="there is no C compiler")
TOLERANCES = {torch.float32: 2e-5, torch.bfloat16: 3e-2}


def as_list(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_torch_computes(case: str, dtype: torch.dtype) -> None:
    ours, theirs, given = CASES[case]
    rounded = [one.to(dtype) for one in given]
    mine = [one.clone().requires_grad_() for one in rounded]
    exact = [one.double().requires_grad_() for one in rounded]
    assert can_fuse(*mine)
    outputs, expected = (
        [found] if isinstance(found, Tensor) else found for found in (ours(*mine), theirs(*exact))
    )
    pulls = [drawn(*one.shape, seed=7).to(dtype) for one in outputs]
    torch.autograd.backward(outputs, pulls)
    torch.autograd.backward(expected, [one.double() for one in pulls])
    tolerance = TOLERANCES[dtype]
    for found, right in zip(outputs, expected, strict=True):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), right, rtol=tolerance, atol=tolerance / 10)
    for found, right in zip(mine, exact, strict=True):
        assert found.grad is not None and right.grad is not None and found.grad.dtype == dtype
        size = max(1.0, float(right.grad.abs().max()))
        torch.testing.assert_close(found.grad.double() / size, right.grad / size, rtol=0, atol=tolerance)


def test_a_norm_may_have_another_format() -> None:
    x, gain = drawn(9, 16).requires_grad_(), drawn(16, seed=1).requires_grad_()
    out = fused_norm(x, gain, 1e-6, torch.bfloat16)
    torch.testing.assert_close(out, normed(x, gain).to(torch.bfloat16))
    out.sum().backward()
    assert x.grad is not None and gain.grad is not None
    assert x.grad.dtype == gain.grad.dtype == torch.float32
    assert fused_norm(x, gain, 1e-6, torch.float16).dtype == torch.float32


@pytest.mark.parametrize("format_of_change", TOLERANCES, ids=str)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_its_gradient_the_same(
    share: float, format_of_change: torch.dtype
) -> None:
    torch.manual_seed(3)
    x, change = torch.zeros(200, 300, requires_grad=True), torch.ones(200, 300, dtype=format_of_change)
    change.requires_grad_()
    out = add_with_bias(x, change, None, share)
    dropped = out == 0
    assert float(dropped.float().mean()) == pytest.approx(share, abs=0.01)
    for lines in (dropped, dropped.mT):  # no pattern along a line or across
        together = (lines[1:] & lines[:-1]).float().mean()
        assert float(together) == pytest.approx(share**2, abs=0.01)
        assert float(lines.float().mean(-1).std()) < 0.06
    torch.testing.assert_close(out[~dropped], torch.full_like(out[~dropped], 1 / (1 - share)))
    out.backward(torch.full_like(out, 2.0))
    assert x.grad is not None and change.grad is not None and change.grad.dtype == format_of_change
    assert bool((x.grad == 2).all())
    torch.testing.assert_close(change.grad.float(), 2 * out.detach(), rtol=1e-2, atol=0)
    assert not torch.equal(add_with_bias(x, change, None, share) == 0, dropped)
    torch.manual_seed(3)
    assert torch.equal(add_with_bias(x, change, None, share), out)


@pytest.mark.parametrize("case", CASES)
def test_the_number_of_threads_changes_nothing(case: str) -> None:
    ours, _, given = CASES[case]
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            mine = [one.clone().requires_grad_() for one in given]
            outputs = as_list(ours(*mine))
            torch.autograd.backward(outputs, [drawn(*one.shape, seed=7) for one in outputs])
            found.append([*outputs, *(one.grad for one in mine)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_what_is_no_number_stays_none(bad: float, dtype: torch.dtype) -> None:
    spoilt = torch.ones(2, 5, 5)
    spoilt[0, 2, 1] = bad
    spoilt = spoilt.to(dtype).requires_grad_()
    for found in (
        fused_norm(spoilt, None, 1e-6, dtype),
        fused_heads(spoilt.repeat(1, 1, 6), 1, None, None, 1e-6)[0],
        fused_gelu(spoilt, None),
        fused_attention(spoilt[:, None], spoilt[:, None], spoilt[:, None]),
        add_with_bias(spoilt, torch.ones_like(spoilt), None, 0.5),
        add_with_norm(spoilt, torch.ones_like(spoilt), None, 0.5, Norm(None, None, True, 1e-5), dtype)[1],
    ):
        assert not bool(torch.isfinite(found[0]).all()) and bool(torch.isfinite(found[1]).all())


@pytest.mark.parametrize(
    "case",
    ["norm with a gain", "heads", "swiglu", "attention", "sum and its norm", "gelu with a bias", "choice"],
)
def test_the_default_format_and_device_change_nothing(case: str) -> None:
    ours, _, given = CASES[case]
    found = []
    for dtype, device in ((torch.float32, "cpu"), (torch.bfloat16, "meta")):
        mine = [one.clone().requires_grad_() for one in given]
        pulls = [drawn(*one.shape, seed=7) for one in as_list(ours(*mine))]
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                outputs = as_list(ours(*mine))
                torch.autograd.backward(outputs, pulls)
        finally:
            torch.set_default_dtype(torch.float32)
        found.append([*outputs, *(one.grad for one in mine)])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_gradients_that_are_expanded_or_missing() -> None:
    x = drawn(3, 5, 36)
    for pull in (
        lambda q, k, v: q.sum(),
        lambda q, k, v: k[:, :, ::2].sum() + v.mT.mean(),
        lambda q, k, v: (q * 2).sum() + k.detach().sum(),
    ):
        mine, exact = x.clone().requires_grad_(), x.double().requires_grad_()
        pull(*fused_heads(mine, 2, COS, SIN, 1e-6)).backward(retain_graph=True)
        pull(*by_head(exact, COS, SIN, 1e-6)).backward()
        torch.testing.assert_close(mine.grad, exact.grad, check_dtype=False, rtol=1e-4, atol=1e-5)


def test_nothing_to_compute() -> None:
    x, gain = torch.empty(0, 6, requires_grad=True), torch.ones(6, requires_grad=True)
    (fused_norm(x, gain, 1e-6, x.dtype) + add_with_bias(x, x, gain, 0.5)).sum().backward()
    add_then_norm(x, x, None, 0.1, Norm(gain, None, True, 1e-5), x.dtype)[0].sum().backward()
    (fused_swiglu(x).sum() + fused_gelu(x, gain).sum()).backward()
    heads = torch.empty(0, 2, 4, 6, requires_grad=True)
    fused_attention(heads, heads, heads).sum().backward()
    choose(torch.empty(0, 4, dtype=torch.bool), heads, heads).sum().backward()
    weighted_sum([x, x], torch.empty(0, 2)).sum().backward()
    fused_heads(torch.empty(2, 0, 12, requires_grad=True), 2, None, None, 1e-6)[0].sum().backward()
    assert x.grad is not None and x.grad.shape == (0, 6)
    assert gain.grad is not None and bool((gain.grad == 0).all())


def test_where_it_is_not_usable() -> None:
    x = drawn(3, 4)
    assert can_fuse(x)
    assert not can_fuse(x.double()) and not can_fuse(x.to("meta"))
    assert not can_fuse(torch.empty(1, 1 << 20))
    with torch.no_grad():
        assert not can_fuse(x)
    q, k = drawn(1, 2, 4, 6), drawn(1, 2, 5, 6)
    assert can_fuse_attention(q, k, k)
    assert not can_fuse_attention(k, q, q) and not can_fuse_attention(q, k, k.bfloat16())
    assert not can_fuse_attention(q, k, drawn(1, 2, 5, 7)) and not can_fuse_attention(*(k.double(),) * 3)


def test_a_state_and_what_goes_into_products_may_differ_in_format() -> None:
    wide, gain, bias = drawn(40, 16), drawn(16, seed=1), drawn(16, seed=2)
    change, narrow = drawn(40, 16, seed=3).bfloat16(), torch.bfloat16
    x, y = wide.clone().requires_grad_(), change.clone().requires_grad_()
    norm = Norm(gain.clone().requires_grad_(), bias.clone().requires_grad_(), True, 1e-5)
    total = wide + change.float() + bias
    expected = layer_norm(total, gain, bias)
    for found, right in (
        (add_with_norm(x, y, bias, 0.0, norm, narrow), (total, expected)),
        (add_then_norm(x, y, bias, 0.0, norm, narrow), (expected, expected)),
        (add_with_copy(x, y, bias, narrow), (total, total)),
        (with_copy(x, narrow), (wide, wide)),
    ):
        assert [one.dtype for one in found] == [torch.float32, narrow]
        torch.testing.assert_close(found[0], right[0])
        torch.testing.assert_close(found[1], right[1].bfloat16(), rtol=1e-2, atol=1e-6)
        (found[0].sum() + found[1].float().square().sum()).backward()
    assert x.grad is not None and y.grad is not None and norm.gain is not None and norm.gain.grad is not None
    assert (x.grad.dtype, y.grad.dtype, norm.gain.grad.dtype) == (torch.float32, narrow, torch.float32)


def test_a_norm_of_a_sum_drops_as_the_sum_does() -> None:
    x, change, bias = drawn(40, 16), drawn(40, 16, seed=1), drawn(16, seed=2)
    pulls = drawn(40, 16, seed=3)
    found: list[list[Tensor]] = []
    for normed_at_once in (True, False):
        torch.manual_seed(3)
        mine = [one.clone().requires_grad_() for one in (x, change, bias)]
        if normed_at_once:
            out = add_then_norm(*mine, 0.4, Norm(None, None, False, 1e-6), x.dtype)[0]
        else:
            out = normed(add_with_bias(*mine, 0.4))
        out.backward(pulls)
        found.append([out, *(one.grad for one in mine if one.grad is not None)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_later_tokens_do_not_change_earlier_ones() -> None:
    q, k, v = (drawn(1, 1, 70, 8, seed=n).requires_grad_() for n in range(3))
    out = fused_attention(q, k, v)
    out[:, :, :33].sum().backward()
    for one in (q, k, v):
        assert one.grad is not None and bool((one.grad[:, :, 33:] == 0).all())
    with torch.enable_grad():
        assert torch.equal(fused_attention(q[:, :, :33], k[:, :, :33], v[:, :, :33]), out[:, :, :33])
