"""Rotary position embedding (Su et al. 2021): positions as rotations of queries and keys."""

import torch
from torch import Tensor


def rotary_tables(head_width: int, length: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines for positions 0..length-1, each (length, K) in float32.

    The first half of the sines is negative, so that one roll of the features and one
    multiply-add make the rotation.
    """
    # On the CPU even where a model is only laid out on meta: there, arange drags in half of torch.
    cpu = torch.device("cpu")
    frequencies = base ** (-torch.arange(0, head_width, 2, dtype=torch.float32, device=cpu) / head_width)
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=cpu), frequencies)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x` (…, K) turned by tables that broadcast to it. Feature i pairs with i + K/2."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.addcmul(x * cos, x.roll(x.size(-1) // 2, dims=-1), sin)
