"""What feed-forward networks compute between their two matrix products, on a CPU, in one pass over memory."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.calls import FORMATS, PARTS, call, empty, float_line


def fused_gelu(up: Tensor, bias: Tensor | None) -> Tensor:
    """gelu(up + bias) of `up` (…, F) and `bias` (F,).

    That is x * P(x), with P the distribution function of the normal law. Its gradient is P(x) + x * p(x),
    with p the density.
    """
    found: Tensor = _Activation.apply(up, bias, "rlm_gelu", up.size(-1))
    return found


def fused_swiglu(up: Tensor, bias: Tensor | None = None) -> Tensor:
    """silu(g) * v (…, F), where `up` (…, 2 * F) plus `bias` (2 * F,) holds g and v.

    With s the sigmoid of g, the gradients are v * (s + g * s * (1 - s)) of g and g * s of v.
    """
    found: Tensor = _Activation.apply(up, bias, "rlm_swiglu", up.size(-1) // 2)
    return found


class _Activation(torch.autograd.Function):
    """A function of lines, which the C functions `name` and `name`_gradient compute."""

    @staticmethod
    def forward(ctx: Any, up: Tensor, bias: Tensor | None, name: str, width: int) -> Tensor:
        up, bias = up.contiguous(), float_line(bias)
        out = empty((*up.shape[:-1], width), up.dtype)
        ctx.name, ctx.sizes = name, (up.numel() // up.size(-1), width)
        call(name, out, up, FORMATS[up.dtype], bias, *ctx.sizes)
        ctx.save_for_backward(up, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (up, bias), g = ctx.saved_tensors, gradients[0]
        of_up, g, parts = torch.empty_like(up), g.to(up.dtype).contiguous(), min(PARTS, ctx.sizes[0])
        of_bias = None if bias is None else empty((parts, up.size(-1)))
        call(f"{ctx.name}_gradient", of_up, of_bias, g, up, FORMATS[up.dtype], bias, *ctx.sizes, parts)
        return of_up, None if of_bias is None else of_bias.sum(0), None, None
