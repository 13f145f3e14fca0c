"""Sums of states and changes, and what follows them: in few passes where there is compiled code."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.kernels.calls import FORMATS, can_fuse
from models.kernels.residual import add_with_copy, with_copy
from models.layers.norm import format_of_products


def fuses_sums(x: Tensor) -> bool:
    """Whether compiled code adds changes to the state `x` (…, D) and norms the sum."""
    dtype = format_of_products(x)
    return can_fuse(x) and dtype in FORMATS and torch.promote_types(x.dtype, dtype) == x.dtype


def before_bias(module: nn.Module, *arguments: Any) -> tuple[Tensor, Tensor | None]:
    """The output (B, T, D) of `module` without its last bias, and that bias (D,), if it has one."""
    method = getattr(module, "before_bias", None)
    if method is None:
        return module(*arguments), None
    output, bias = method(*arguments)
    return output, bias


def for_products(x: Tensor) -> tuple[Tensor, Tensor]:
    """`x` (…, D) twice: as it is, and in the number format in which matrix products take it."""
    return with_copy(x, format_of_products(x)) if fuses_sums(x) else (x, x)


def add_output(x: Tensor, copy: Tensor, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """`x` plus what `linear` makes of its `copy`, (…, D) both, as `for_products` gives them and the sum."""
    if fuses_sums(x):
        return add_with_copy(x, F.linear(copy, linear.weight), linear.bias, format_of_products(x))
    total = x + linear(copy)
    return total, total
