"""Normalisation by root mean square, and by mean and variance."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from models.kernels.calls import can_fuse
from models.kernels.norm import fused_norm
from models.kernels.residual import Norm, with_norm

EPSILON = 1e-6
"""Added to the mean square."""
LAYER_EPSILON = 1e-5
"""Added to the variance."""


def rms_norm(x: Tensor, gain: Tensor | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """`x` (…, D) scaled to a root mean square of one over its last dimension, times `gain` (D,) if there is
    one. The output has the number format of `x`; or of `dtype`, where compiled code computes it."""
    if can_fuse(x):
        return fused_norm(x, gain, EPSILON, dtype or x.dtype)
    if _is_slow_to_train(x):
        return _RMSNorm.apply(x, gain)
    normed = F.rms_norm(x, (x.size(-1),), eps=EPSILON)
    return normed if gain is None else normed * gain.to(x.dtype)


def _is_slow_to_train(x: Tensor) -> bool:
    """Whether torch has no fused gradient for `x`. On a CPU it makes some fifteen passes over memory."""
    return x.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling()


def _wide(x: Tensor) -> torch.dtype:
    """The number format in which sums over `x` are precise enough."""
    return torch.promote_types(x.dtype, torch.float32)


class _RMSNorm(torch.autograd.Function):
    """`rms_norm` with a gradient in few passes over memory, in float32 throughout, or in float64.

    With n = x / r and r the root mean square, the gradient of x is (h - n * mean(h * n)) / r, where h is the
    output's gradient times the gain. That of the gain is the sum of the output's gradient times n.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None) -> Tensor:
        wide = x.to(_wide(x))
        norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)  # (…, 1)
        scale = norm.square_().div_(x.size(-1)).add_(EPSILON).rsqrt_()
        ctx.save_for_backward(x, gain, scale)
        normed = wide * scale
        return (normed if gain is None else normed.mul_(gain)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        x, gain, scale = ctx.saved_tensors
        gradient = gradients[0].to(_wide(x))
        normed = x * scale
        product = gradient * normed
        of_gain = None
        if gain is None:
            mean = product.sum(-1, keepdim=True)
            of_x = normed.mul_(mean.div_(-x.size(-1))).add_(gradient)
        else:
            of_gain = product.reshape(-1, x.size(-1)).sum(0).to(gain.dtype)
            with torch.autocast(x.device.type, enabled=False):  # it would round to its number format
                mean = (product @ gain.to(product.dtype)).unsqueeze(-1)
            of_x = torch.addcmul(gradient * gain, normed, mean.div_(-x.size(-1)))
        return of_x.mul_(scale).to(x.dtype), of_gain


def format_of_products(x: Tensor) -> torch.dtype:
    """The number format in which a matrix product takes `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


class RMSNorm(nn.Module):
    """RMS normalisation with a learned gain (Zhang & Sennrich 2019, arXiv 1910.07467). (…, D) to (…, D).

    Its output goes into matrix products, so it may have their number format.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, format_of_products(x))

    def compiled(self) -> Norm:
        """This norm for compiled code."""
        return Norm(self.weight, None, centred=False, epsilon=EPSILON)


class LayerNorm(nn.Module):
    """Layer normalisation with a gain and no bias, as in nanoGPT. (…, D) to (…, D)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            return with_norm(x, self.compiled(), x.dtype)[1]
        return F.layer_norm(x, (x.size(-1),), self.weight.to(x.dtype), eps=LAYER_EPSILON)

    def compiled(self) -> Norm:
        """This norm for compiled code."""
        return Norm(self.weight, None, centred=True, epsilon=LAYER_EPSILON)


class BiasedLayerNorm(LayerNorm):
    """Layer normalisation with a gain and a bias, as in GPT-2. (…, D) to (…, D)."""

    def __init__(self, d_model: int) -> None:
        super().__init__(d_model)
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            return with_norm(x, self.compiled(), x.dtype)[1]
        return super().forward(x) + self.bias.to(x.dtype)

    def compiled(self) -> Norm:
        return Norm(self.weight, self.bias, centred=True, epsilon=LAYER_EPSILON)


NORMS: dict[str, type[RMSNorm] | type[LayerNorm]] = {
    "rms": RMSNorm,
    "layer": LayerNorm,
    "layer-bias": BiasedLayerNorm,
}
