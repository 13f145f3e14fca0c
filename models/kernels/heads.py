"""Attention heads out of a matrix product, on a CPU: bias, norms and rotations in one pass over memory."""

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.calls import FORMATS, PARTS, addresses, call, empty, float_line


def fused_heads(
    x: Tensor,
    count: int,
    cos: Tensor | None,
    sin: Tensor | None,
    epsilon: float | None,
    *,
    parts: int = 3,
    bias: Tensor | None = None,
    gain: Tensor | None = None,
) -> list[Tensor]:
    """`parts` tensors (B, H, T, K) of `x` (B, T, parts * H * K), for `count` heads.

    `bias` (parts * H * K,) is added first. The parts are queries, keys and values; keys and values; or
    queries alone. Queries and keys are normed with `epsilon`, times `gain` (K,), unless epsilon is None, and
    then rotated by `cos` and `sin` (B or 1, T, …, K), unless they are None, as `rotate` does.
    """
    rotated = max(1, parts - 1)
    return list(_Heads.apply(x, bias, gain, cos, sin, _Plan(parts, rotated, count, epsilon)))


@dataclass(frozen=True, slots=True)
class _Plan:
    parts: int
    rotated: int
    heads: int
    epsilon: float | None


class _Sizes(ctypes.Structure):
    """`sizes` in heads.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "tokens", "parts", "rotated", "heads", "width")),
        ("row_of_cos", ctypes.c_int64),
        ("format", ctypes.c_int), ("epsilon", ctypes.c_float),
    )  # fmt: skip


class _Heads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor | None, gain: Tensor | None, cos: Tensor | None, sin: Tensor | None,
        plan: _Plan,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        x, (rows, tokens) = x.contiguous(), x.shape[:2]
        width = x.size(-1) // (plan.parts * plan.heads)
        out = [empty((rows, plan.heads, tokens, width), x.dtype) for _ in range(plan.parts)]
        scales = None if plan.epsilon is None else empty((rows, tokens, plan.rotated, plan.heads))
        bias, gain, cos, sin = map(float_line, (bias, gain, cos, sin))
        row_of_cos = tokens if cos is not None and cos.size(0) > 1 else 0
        ctx.sizes = _Sizes(
            rows, tokens, plan.parts, plan.rotated, plan.heads, width, row_of_cos, FORMATS[x.dtype],
            plan.epsilon or 0.0,
        )  # fmt: skip
        call("rlm_heads", addresses(out), scales, x, bias, gain, cos, sin, ctypes.addressof(ctx.sizes))
        ctx.save_for_backward(x, bias, gain, cos, sin, scales)
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, bias, gain, cos, sin, scales = ctx.saved_tensors
        of_x, given = torch.empty_like(x), [one.to(x.dtype).contiguous() for one in gradients]
        groups = min(PARTS, ctx.sizes.rows * ctx.sizes.tokens)
        of_bias, of_gain = (None if one is None else empty((groups, one.numel())) for one in (bias, gain))
        call("rlm_heads_gradient", of_x, of_bias, of_gain, addresses(given), scales, x, bias, gain, cos, sin,
             ctypes.addressof(ctx.sizes), groups)  # fmt: skip
        return (of_x, *(None if one is None else one.sum(0) for one in (of_bias, of_gain)), None, None, None)
