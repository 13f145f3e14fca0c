"""A change that is added to a state, with dropout, and the norm of the sum: one pass over memory, on a CPU.

A block needs each state twice: as it is, for the next sum, and normed, for a matrix product. Here both come
out of one pass, and their gradients go into one.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.calls import FORMATS, PARTS, call, drawn_seed, empty, float_line


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm over the last dimension."""

    gain: Tensor | None
    """(D,)"""
    bias: Tensor | None
    """(D,), where there is a gain."""
    centred: bool
    """Whether the mean is taken away first, as in layer norms."""
    epsilon: float
    """Added to the mean square."""


def with_norm(x: Tensor, norm: Norm, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`x` (…, D) itself, and its norm in the format `dtype`. Their gradients are added in one pass.

    With n = (x - m) / r, where m is the mean, or 0 in an RMS norm, and r the root of the mean square of x - m
    plus epsilon, the gradient of x is (h - mean(h) - n * mean(h * n)) / r. There h is the output's gradient
    times the gain, and mean(h) is left out in an RMS norm. Those of gain and bias are sums of the output's
    gradient, times n for the gain.
    """
    same, normed = _Residual.apply(
        x, None, None, norm.gain, norm.bias, _Plan(norm, 0.0, dtype, returns_sum=True)
    )
    return same, normed


def add_with_norm(
    x: Tensor, y: Tensor, y_bias: Tensor | None, share: float, norm: Norm, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """`x` plus `y` plus `y_bias`, and the norm of this sum in the format `dtype`.

    x and y are (…, D), y_bias is (D,). A `share` of y plus y_bias is dropped at random and the rest scaled
    up. The sum has the number format of x. Blocks with their norms first need both.
    """
    plan = _Plan(norm, share, dtype, returns_sum=True)
    total, normed = _Residual.apply(x, y, y_bias, norm.gain, norm.bias, plan)
    return total, normed


def add_then_norm(
    x: Tensor, y: Tensor, y_bias: Tensor | None, share: float, norm: Norm, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The norm of that sum, in the formats of `x` and `dtype`, for blocks with their norms last."""
    plan = _Plan(norm, share, dtype, returns_sum=False)
    wide, normed = _Residual.apply(x, y, y_bias, norm.gain, norm.bias, plan)
    return wide, wide if normed is None else normed


def with_copy(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`x` (…, D) itself, and `x` in the format `dtype`. Their gradients are added in one pass."""
    if dtype == x.dtype:
        return x, x
    return _Residual.apply(x, None, None, None, None, _Plan(None, 0.0, dtype, returns_sum=True))


def add_with_copy(x: Tensor, y: Tensor, y_bias: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The sum of `x`, `y`, both (…, D), and `y_bias` (D,), in the format of `x` and in the format `dtype`."""
    plan = _Plan(None, 0.0, dtype, returns_sum=True)
    total, copy = _Residual.apply(x, y, y_bias, None, None, plan)
    return total, total if copy is None else copy


def add_with_bias(x: Tensor, y: Tensor, y_bias: Tensor | None, share: float) -> Tensor:
    """That sum alone."""
    plan = _Plan(None, share, x.dtype, returns_sum=True)
    total: Tensor = _Residual.apply(x, y, y_bias, None, None, plan)[0]
    return total


@dataclass(frozen=True, slots=True)
class _Plan:
    norm: Norm | None
    share: float
    dtype: torch.dtype
    returns_sum: bool


class _Sizes(ctypes.Structure):
    """`residual` in residual.c."""

    _fields_ = (
        ("lines", ctypes.c_int64), ("width", ctypes.c_int64), ("format", ctypes.c_int),
        ("change_format", ctypes.c_int), ("normed_format", ctypes.c_int), ("centred", ctypes.c_int),
        ("epsilon", ctypes.c_float), ("seed", ctypes.c_uint64), ("bound", ctypes.c_uint32),
        ("factor", ctypes.c_float),
    )  # fmt: skip


class _Residual(torch.autograd.Function):
    """The sum, or the norm, in the format of x; and the norm, or without one the sum, in another format."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor | None, y_bias: Tensor | None, gain: Tensor | None,
        bias: Tensor | None, plan: _Plan,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        ctx.set_materialize_grads(False)
        source, y = x.contiguous(), None if y is None else y.contiguous()
        y_bias, gain, bias = map(float_line, (y_bias, gain, bias))
        norm, dtype = plan.norm, plan.dtype if plan.dtype in FORMATS else x.dtype
        total = source if y is None else empty(x.shape, x.dtype)
        twice = dtype != x.dtype or (norm is not None and plan.returns_sum)
        normed = empty(x.shape, dtype) if twice else None
        wide = None if plan.returns_sum else empty(x.shape, x.dtype)
        scales = None if norm is None else empty((*x.shape[:-1], 2))
        ctx.sizes = _Sizes(
            x.numel() // x.size(-1), x.size(-1), FORMATS[x.dtype], FORMATS[x.dtype if y is None else y.dtype],
            FORMATS[dtype], norm is not None and norm.centred, 0.0 if norm is None else norm.epsilon,
            drawn_seed() if y is not None and plan.share else 0, min(round(plan.share * 2**32), 2**32 - 1),
            1 / (1 - plan.share),
        )  # fmt: skip
        found = None if y is None else total, normed, wide, scales
        call("rlm_residual", *found, source, y, y_bias, gain, bias, ctypes.addressof(ctx.sizes))
        ctx.returns_sum, ctx.change_format = plan.returns_sum, None if y is None else y.dtype
        ctx.save_for_backward(None if norm is None else total, scales, gain, bias, y_bias)
        if not plan.returns_sum:
            assert wide is not None
            return wide, normed
        return x.view_as(x) if y is None else total, normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        total, scales, gain, bias, y_bias = ctx.saved_tensors
        g, g_normed = (None if one is None else one.contiguous() for one in gradients)
        some = g if g is not None else g_normed
        assert some is not None
        lines, width = ctx.sizes.lines, ctx.sizes.width
        formats = {number: dtype for dtype, number in FORMATS.items()}
        of_x = empty(some.shape, formats[ctx.sizes.format])
        of_y = None if ctx.change_format is None else empty(some.shape, ctx.change_format)
        learned, parts = (gain, bias, y_bias), min(PARTS, lines)
        of_all = None if learned == (None, None, None) else empty((parts, 3, width))
        given = (g, g_normed, None) if ctx.returns_sum else (None, g_normed, g)
        call("rlm_residual_gradient", of_x, of_y, of_all, *given, total, scales, *learned,
             ctypes.addressof(ctx.sizes), parts)  # fmt: skip
        sums = (None,) * 3 if of_all is None else of_all.sum(0)
        of_gain, of_bias, of_y_bias = (
            None if one is None else found for one, found in zip(learned, sums, strict=True)
        )
        return of_x, of_y, of_y_bias, of_gain, of_bias, None
