"""RMS norms on a CPU, and their gradient: one pass over memory each, where torch takes some fifteen."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.calls import FORMATS, PARTS, call, empty, float_line


def fused_norm(x: Tensor, gain: Tensor | None, epsilon: float, dtype: torch.dtype) -> Tensor:
    """`x` (…, D) over the root of its mean square plus `epsilon`, times `gain` (D,), in the format `dtype`.

    Where `dtype` is neither float32 nor bfloat16, in the format of `x`.

    With n = x / r and r that root, the gradient of x is (h - n * mean(h * n)) / r, where h is the output's
    gradient times the gain. That of the gain is the sum of the output's gradient times n.
    """
    found: Tensor = _Norm.apply(x, gain, epsilon, dtype if dtype in FORMATS else x.dtype)
    return found


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, epsilon: float, dtype: torch.dtype) -> Tensor:
        x, gain = x.contiguous(), float_line(gain)
        out, scales = empty(x.shape, dtype), empty(x.shape[:-1])
        sizes = (scales.numel(), x.size(-1))
        call("rlm_norm", out, FORMATS[dtype], scales, x, FORMATS[x.dtype], gain, *sizes, epsilon)
        ctx.save_for_backward(x, gain, scales)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, gain, scales), g = ctx.saved_tensors, gradients[0].contiguous()
        of_x, parts = torch.empty_like(x), min(PARTS, scales.numel())
        of_gain = None if gain is None else empty((parts, x.size(-1)))
        call("rlm_norm_gradient", of_x, of_gain, g, FORMATS[g.dtype], x, FORMATS[x.dtype], scales, gain,
              scales.numel(), x.size(-1), parts)  # fmt: skip
        return of_x, None if of_gain is None else of_gain.sum(0), None, None
