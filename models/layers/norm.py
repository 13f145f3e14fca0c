"""Normalisation by root mean square, and by mean and variance."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def rms_norm(x: Tensor) -> Tensor:
    """`x` (…, D) scaled to a root mean square of one over its last dimension, without a gain."""
    return F.rms_norm(x, (x.size(-1),), eps=1e-6)


class RMSNorm(nn.Module):
    """RMS normalisation with a learned gain (Zhang & Sennrich 2019, arXiv 1910.07467). (…, D) to (…, D)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x) * self.weight.to(x.dtype)


class LayerNorm(nn.Module):
    """Layer normalisation with a gain and no bias, as in nanoGPT. (…, D) to (…, D)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (x.size(-1),), self.weight.to(x.dtype), eps=1e-5)


class BiasedLayerNorm(LayerNorm):
    """Layer normalisation with a gain and a bias, as in GPT-2. (…, D) to (…, D)."""

    def __init__(self, d_model: int) -> None:
        super().__init__(d_model)
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.bias.to(x.dtype)


NORMS: dict[str, type[nn.Module]] = {"rms": RMSNorm, "layer": LayerNorm, "layer-bias": BiasedLayerNorm}
