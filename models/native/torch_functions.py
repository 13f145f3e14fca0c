"""The functions of torch that a decoding step may use, by what they do.

A property of a tensor, such as its shape, is asked through the getter of its descriptor.
"""

from typing import Any

import torch
from torch.nn import functional as F

from models.native.operations import Kind

_T: Any = torch.Tensor  # mypy takes a descriptor for its value
OF_THE_SHAPE = {
    _T.size, _T.dim, _T.stride, _T.numel, _T.__len__, _T.is_contiguous, _T.shape.__get__, _T.dtype.__get__,
    _T.device.__get__, _T.ndim.__get__, _T.is_floating_point, _T.new_zeros, _T.new_ones, torch.zeros_like,
    torch.ones_like,
}  # fmt: skip
"""They ask only for the shape, or make a tensor of it."""
VIEWS = {
    _T.__getitem__, _T.view, _T.reshape, _T.transpose, _T.permute, _T.chunk, _T.unbind, _T.squeeze,
    _T.unsqueeze, _T.expand, _T.expand_as, _T.flatten, _T.unflatten, _T.mT.__get__, _T.contiguous, _T.narrow,
    _T.split,
}  # fmt: skip
REFLECTED = {_T.__rsub__, _T.__rdiv__}
ELEMENTWISE: dict[Any, Kind] = {
    _T.add: Kind.ADD, torch.add: Kind.ADD, _T.sub: Kind.SUB, torch.sub: Kind.SUB, _T.mul: Kind.MUL,
    torch.mul: Kind.MUL, _T.div: Kind.DIV, torch.div: Kind.DIV, _T.__rsub__: Kind.SUB,
    _T.__rdiv__: Kind.DIV, F.silu: Kind.SILU, F.gelu: Kind.GELU, _T.sigmoid: Kind.SIGMOID,
    torch.sigmoid: Kind.SIGMOID, _T.tanh: Kind.TANH, torch.tanh: Kind.TANH,
}  # fmt: skip
