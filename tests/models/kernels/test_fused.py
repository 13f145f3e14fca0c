"""Compiled operations compute what torch computes, forward and backward."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.kernels import fused
from models.kernels.library import compiled_library
from models.layers.rotary import rotary_tables, rotate

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="there is no C compiler")
TOLERANCES = {torch.float32: 2e-5, torch.bfloat16: 3e-2}
Formula = Callable[..., Any]


def drawn(*shape: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def normed(x: Tensor, gain: Tensor | None = None) -> Tensor:
    wide = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return wide if gain is None else wide * gain


def by_head(qkv: Tensor, cos: Tensor | None, sin: Tensor | None, epsilon: float | None) -> tuple[Tensor, ...]:
    qk, v = qkv.unflatten(-1, (3, 2, -1)).split((2, 1), dim=2)
    qk = qk if epsilon is None else normed(qk)
    qk = qk if cos is None or sin is None else rotate(qk, cos, sin)
    q, k = qk.permute(2, 0, 3, 1, 4)
    return q, k, v[:, :, 0].transpose(1, 2)


def softmax(scores: Tensor, factor: float) -> Tensor:
    above = torch.full(scores.shape[-2:], float("-inf"), dtype=scores.dtype).triu(1)
    return (scores * factor + above).softmax(-1)


def silu_times(up: Tensor) -> Tensor:
    gate, value = up.chunk(2, dim=-1)
    return F.silu(gate) * value


COS, SIN = (table[None, :, None, None] for table in rotary_tables(6, 5))
OF_ROWS = [torch.cat((table, table.flip(1), -table)) for table in (COS, SIN)]
CASES: dict[str, tuple[Formula, Formula, tuple[Tensor, ...]]] = {
    "norm": (lambda x: fused.fused_norm(x, None, 1e-6, x.dtype), normed, (drawn(3, 5, 37),)),
    "norm of small numbers": (
        lambda x: fused.fused_norm(x, None, 1e-6, x.dtype), normed, (drawn(70, 8, scale=1e-3),),
    ),
    "norm with a gain": (
        lambda x, gain: fused.fused_norm(x, gain, 1e-6, x.dtype), normed, (drawn(90, 33), drawn(33, seed=1)),
    ),
    "norm of a view": (
        lambda x: fused.fused_norm(x.mT[:, 1:], None, 1e-6, x.dtype), lambda x: normed(x.mT[:, 1:]),
        (drawn(2, 16, 9),),
    ),
    "heads": (
        lambda x: fused.fused_heads(x, 2, COS, SIN, 1e-6), lambda x: by_head(x, COS, SIN, 1e-6),
        (drawn(3, 5, 36),),
    ),
    "heads, rotated by rows": (
        lambda x: fused.fused_heads(x, 2, *OF_ROWS, 1e-6), lambda x: by_head(x, *OF_ROWS, 1e-6),
        (drawn(3, 5, 36),),
    ),
    "heads, not normed": (
        lambda x: fused.fused_heads(x, 2, COS, SIN, None), lambda x: by_head(x, COS, SIN, None),
        (drawn(3, 5, 36),),
    ),
    "heads alone": (
        lambda x: fused.fused_heads(x, 2, None, None, None), lambda x: by_head(x, None, None, None),
        (drawn(3, 5, 30),),
    ),
    "swiglu": (fused.fused_swiglu, silu_times, (drawn(4, 7, 34, scale=4),)),
    "swiglu, far out": (fused.fused_swiglu, silu_times, (torch.tensor([[-300.0, 300, -30, 0, 2, 3, 4, 5]]),)),
    "softmax": (
        lambda x: fused.fused_causal_softmax(x, 0.5), lambda x: softmax(x, 0.5),
        (drawn(2, 3, 19, 19, scale=5),),
    ),
    "softmax, far out": (
        lambda x: fused.fused_causal_softmax(x, 2.0), lambda x: softmax(x, 2.0),
        (drawn(1, 33, 33, scale=90),),
    ),
}  # fmt: skip


def as_list(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_torch_computes(case: str, dtype: torch.dtype) -> None:
    ours, theirs, given = CASES[case]
    rounded = [one.to(dtype) for one in given]
    mine = [one.clone().requires_grad_() for one in rounded]
    exact = [one.double().requires_grad_() for one in rounded]
    assert fused.can_fuse(*mine)
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
    out = fused.fused_norm(x, gain, 1e-6, torch.bfloat16)
    torch.testing.assert_close(out, normed(x, gain).to(torch.bfloat16))
    out.sum().backward()
    assert x.grad is not None and gain.grad is not None
    assert x.grad.dtype == gain.grad.dtype == torch.float32
    assert fused.fused_norm(x, gain, 1e-6, torch.float16).dtype == torch.float32


@pytest.mark.parametrize("format_of_change", TOLERANCES, ids=str)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_its_gradient_the_same(
    share: float, format_of_change: torch.dtype
) -> None:
    torch.manual_seed(3)
    x, change = torch.zeros(200, 300, requires_grad=True), torch.ones(200, 300, dtype=format_of_change)
    change.requires_grad_()
    out = fused.add_dropped(x, change, share)
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
    assert not torch.equal(fused.add_dropped(x, change, share) == 0, dropped)
    torch.manual_seed(3)
    assert torch.equal(fused.add_dropped(x, change, share), out)


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
        fused.fused_norm(spoilt, None, 1e-6, dtype),
        fused.fused_causal_softmax(spoilt, 1.0),
        fused.fused_heads(spoilt.repeat(1, 1, 6), 1, None, None, 1e-6)[0],
        fused.add_dropped(spoilt, torch.ones_like(spoilt), 0.5),
    ):
        assert not bool(torch.isfinite(found[0]).all()) and bool(torch.isfinite(found[1]).all())


@pytest.mark.parametrize("case", ["norm with a gain", "heads", "swiglu", "softmax"])
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
        pull(*fused.fused_heads(mine, 2, COS, SIN, 1e-6)).backward(retain_graph=True)
        pull(*by_head(exact, COS, SIN, 1e-6)).backward()
        torch.testing.assert_close(mine.grad, exact.grad, check_dtype=False, rtol=1e-4, atol=1e-5)


def test_nothing_to_compute() -> None:
    x, gain = torch.empty(0, 6, requires_grad=True), torch.ones(6, requires_grad=True)
    (fused.fused_norm(x, gain, 1e-6, x.dtype) + fused.add_dropped(x, x, 0.5)).sum().backward()
    fused.fused_swiglu(x).sum().backward()
    fused.fused_causal_softmax(torch.empty(0, 4, 4, requires_grad=True), 1.0).sum().backward()
    fused.fused_heads(torch.empty(2, 0, 12, requires_grad=True), 2, None, None, 1e-6)[0].sum().backward()
    assert x.grad is not None and x.grad.shape == (0, 6)
    assert gain.grad is not None and bool((gain.grad == 0).all())


def test_where_it_is_not_usable() -> None:
    x = drawn(3, 4)
    assert fused.can_fuse(x)
    assert not fused.can_fuse(x.double()) and not fused.can_fuse(x.to("meta"))
    assert not fused.can_fuse(torch.empty(1, 1 << 20))
    with torch.no_grad():
        assert not fused.can_fuse(x)
