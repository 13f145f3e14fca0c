"""The operations of step.c, as it reads them from memory."""

import ctypes
from collections.abc import Sequence
from enum import IntEnum, auto

import torch
from torch import Tensor

SIZES = 5
"""Dimensions that an operation can have."""
PANEL = 16
"""Outputs of a packed weight that lie together in memory."""


class Kind(IntEnum):
    """In the order of step.c."""

    LINEAR = 0
    RMS_NORM = auto()
    LAYER_NORM = auto()
    ADD = auto()
    SUB = auto()
    MUL = auto()
    DIV = auto()
    ADDCMUL = auto()
    SILU = auto()
    GELU = auto()
    SIGMOID = auto()
    TANH = auto()
    COPY = auto()
    COPY_WIDE = auto()
    GATHER = auto()
    STORE = auto()
    ATTEND = auto()


class View(ctypes.Structure):
    """A tensor's first element, and its strides in elements. Without an address it is left out."""

    _fields_ = (("data", ctypes.c_void_p), ("strides", ctypes.c_int64 * SIZES))


class Operation(ctypes.Structure):
    """One operation. step.c says what each kind keeps in its fields."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("slot", ctypes.c_int32),
        ("sizes", ctypes.c_int64 * SIZES),
        ("out", View),
        ("a", View),
        ("b", View),
        ("c", View),
        ("value", ctypes.c_float),
    )


class State(ctypes.Structure):
    """The operations of some rows, where their cache is, how far it is filled, and the new tokens."""

    _fields_ = (
        ("operations", ctypes.c_void_p),
        ("operation_count", ctypes.c_int64),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("key_strides", ctypes.c_int64 * 3),  # of slots, rows and heads, in elements
        ("value_strides", ctypes.c_int64 * 3),
        ("length", ctypes.c_int64),
        ("pads", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
        ("room", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("tokens", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
        ("id_stride", ctypes.c_int64),
        ("recent", ctypes.c_void_p),
        ("before", ctypes.c_int64),
        ("places", ctypes.c_void_p),
    )


def view_of(tensor: Tensor | None, strides: Sequence[int] | None = None) -> View:
    """`tensor`, with other `strides` where they are given."""
    if tensor is None:
        return View()
    steps = tensor.stride() if strides is None else strides
    return View(tensor.data_ptr(), (ctypes.c_int64 * SIZES)(*steps))


def common_lines(
    out: Tensor, operands: Sequence[Tensor], *, whole_line: bool
) -> tuple[list[int], list[list[int]]] | None:
    """The sizes of `out` and the strides of `out` and of each operand, broadcast to it, in SIZES dimensions.

    Dimensions that follow each other in memory are one. With `whole_line`, the last one stays as it is. None:
    it takes more dimensions.
    """
    strides = [list(one.expand(out.shape).stride()) for one in (out, *operands)]
    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    last = out.dim() - 1
    for dimension in range(last, -1, -1):  # from the innermost one
        size = out.size(dimension)
        if size == 1 and not (whole_line and dimension == last):
            continue
        may_join = bool(sizes) and not (whole_line and len(sizes) == 1)
        if may_join and all(one[dimension] == k[0] * sizes[0] for one, k in zip(strides, kept, strict=True)):
            sizes[0] *= size
            continue
        sizes.insert(0, size)
        for one, k in zip(strides, kept, strict=True):
            k.insert(0, one[dimension])
    missing = SIZES - len(sizes)
    if missing < 0:
        return None
    if not sizes:  # one number
        return [1] * SIZES, [[0] * SIZES for _ in kept]
    return [1] * missing + sizes, [[0] * missing + k for k in kept]


def in_panels(weight: Tensor) -> Tensor:
    """`weight` (N, K) as linear.c reads it, in one row: panels (K, PANEL) of PANEL outputs each.

    The last panel has zeros for outputs that are missing.
    """
    outputs, inputs = weight.shape
    panels = -(-outputs // PANEL)
    padded = torch.zeros(panels * PANEL, inputs)
    padded[:outputs] = weight.detach()
    return padded.view(panels, PANEL, inputs).transpose(1, 2).reshape(-1)
