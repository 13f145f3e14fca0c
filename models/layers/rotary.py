"""Tables of positions: rotations of queries and keys (Su et al. 2021, arXiv 2104.09864), and sine waves."""

import torch
from torch import Tensor


def rotary_tables(
    head_width: int, length: int, base: float = 10_000.0, *, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines of `length` positions from `first` on, each (length, K) in float32.

    The first half of the sines is negative, so that `rotate` needs one roll and one multiply-add.
    """
    if torch.get_default_device().type == "meta":
        # A model on the meta device has no use for the values, and arange there imports half of torch.
        return torch.empty(length, head_width), torch.empty(length, head_width)
    frequencies = base ** (-torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)
    angles = torch.outer(torch.arange(first, first + length, dtype=torch.float32), frequencies)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x` (…, K) rotated by tables that broadcast to it. Feature i pairs with i + K/2."""
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.addcmul(x * cos, x.roll(x.size(-1) // 2, dims=-1), sin)


def sinusoidal_table(d_model: int, length: int, base: float = 10_000.0) -> Tensor:
    """Sines, then cosines, of positions 0..length-1, (length, D) in float32 (Vaswani et al. 2017)."""
    if torch.get_default_device().type == "meta":  # for the same reason as above
        return torch.empty(length, d_model)
    frequencies = base ** (-torch.arange(0, d_model, 2, dtype=torch.float32) / d_model)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)
