"""Records a decoding step: runs a model's forward call once and notes what it computes.

The notes are operations on the very memory of that call, as a CUDA graph holds them. Compiled code repeats
them for the next token after new input is written into the same places.

A model is followed as it is, so no architecture has a second implementation. What cannot be repeated (an
operation that is unknown here, or a decision that depends on numbers) raises `UnrecordableError`.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, resolve_name

from models.native.operations import PANEL, SIZES, Kind, Operation, View, common_lines, in_panels, view_of
from models.native.recorded_cache import UnrecordableError, stored
from models.native.torch_functions import ELEMENTWISE, OF_THE_SHAPE, REFLECTED, VIEWS

Packed = dict[tuple[int, tuple[int, ...], tuple[int, ...]], Tensor]
"""Weights in the order in which they are read, by the address, sizes and strides of each."""


class Recorder(TorchFunctionMode):
    """Within it, what torch computes from `inputs` is noted in `operations`."""

    def __init__(self, inputs: Sequence[Tensor], packed: Packed) -> None:
        """`packed` gets the weights that it does not have yet."""
        super().__init__()
        self.operations: list[Operation] = []
        self._kept: dict[int, Tensor] = {}  # by address: what depends on the inputs
        self._constants: list[Tensor] = []
        self._packed = packed
        self._slots: dict[int, int] = {}
        for tensor in inputs:
            self._keep(tensor)

    def depends(self, tensor: Tensor) -> bool:
        """Whether `tensor` depends on the inputs."""
        return tensor.untyped_storage().data_ptr() in self._kept

    def _store(self, func: Callable[..., Any], k: Tensor, v: Tensor, slot: int) -> tuple[Tensor, Tensor]:
        rows, heads, _, width = k.shape
        self._require(k.stride(-1) == 1 and v.stride(-1) == 1, "keys")
        sizes = (rows, heads, width, v.size(-1), 1)
        self._add(Kind.STORE, sizes, a=_by_head(k), b=_by_head(v), slot=slot)
        keys, values = k.expand(-1, -1, 2, -1).contiguous(), v.expand(-1, -1, 2, -1).contiguous()
        for tensor in (keys, values):
            self._keep(tensor)
        self._slots[keys.data_ptr()] = slot
        return keys, values

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if not any(self.depends(tensor) for tensor in _tensors_in((*args, *given.values()))):
            return func(*args, **given)
        if func in OF_THE_SHAPE:
            return func(*args, **given)
        if func in VIEWS:
            return self._view(func, args, given)
        name = _COMPUTED.get(func)
        if name is None:
            raise UnrecordableError(resolve_name(func) or str(func))
        return getattr(self, name)(func, *args, **given)

    # What is noted for each function of torch.

    def _view(self, func: Callable[..., Any], args: Sequence[Any], given: Any) -> Any:
        source = args[0]
        if func is torch.Tensor.__getitem__ and isinstance(args[1], Tensor):
            return self._gather(source, args[1], func(*args))
        result = func(*args, **given)
        for part in _tensors_in((result,)):
            self._require(part.dtype == source.dtype, "another number format")
        if isinstance(result, Tensor) and not _share(result, source):  # a copy in another order
            self._require(func is not torch.Tensor.__getitem__, "a choice of elements")
            self._copy(result.view(source.shape), source)
            return self._keep(result)
        return result

    def _linear(
        self, func: Callable[..., Any], x: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        result = self._keep(func(x, weight, bias))
        self._require(x.is_contiguous() and not self.depends(weight), "a product")
        rows, (outputs, inputs) = x.numel() // x.size(-1), weight.shape
        key = (weight.data_ptr(), weight.shape, weight.stride())
        panels = self._packed.get(key)
        if panels is None:
            panels = self._packed[key] = in_panels(weight)
        width = -(-outputs // PANEL) * PANEL
        if width != outputs:  # PANEL outputs are written at once, so the result lies in a wider one
            wide = self._keep(torch.zeros(*result.shape[:-1], width))
            result = wide[..., :outputs]
        self._constants.append(weight)  # no other weight gets its address
        sizes = (rows, outputs, inputs, 1, 1)
        self._add(
            Kind.LINEAR, sizes, out=view_of(result, (width,)), a=view_of(x, (inputs,)), b=view_of(panels),
            c=view_of(self._constant(bias)),
        )  # fmt: skip
        return result

    def _rms_norm(
        self,
        func: Callable[..., Any],
        x: Tensor,
        shape: Sequence[int],
        weight: Tensor | None = None,
        eps: float | None = None,
    ) -> Tensor:
        return self._norm(Kind.RMS_NORM, func(x, shape, weight, eps), x, (weight,), eps or 1.2e-7)

    def _layer_norm(
        self,
        func: Callable[..., Any],
        x: Tensor,
        shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        return self._norm(Kind.LAYER_NORM, func(x, shape, weight, bias, eps), x, (weight, bias), eps)

    def _norm(
        self, kind: Kind, result: Tensor, x: Tensor, gains: Sequence[Tensor | None], epsilon: float
    ) -> Tensor:
        result = self._keep(result.contiguous())
        self._require(x.stride(-1) == 1, "a norm")
        views = [view_of(self._constant(gain)) for gain in gains]
        self._by_lines(kind, result, x, whole_line=True, value=epsilon)
        self.operations[-1].b = views[0]
        if len(views) > 1:
            self.operations[-1].c = views[1]
        return result

    def _elementwise(self, func: Callable[..., Any], a: Any, b: Any = None, **given: Any) -> Tensor:
        kind = ELEMENTWISE[func]
        usual = {"inplace": False, "approximate": "none", "alpha": 1}
        self._require(all(usual.get(name, given) == value for name, value in given.items()), "a variant")
        if kind in (Kind.SILU, Kind.GELU, Kind.SIGMOID, Kind.TANH):
            result = self._keep(func(a).contiguous())
            self._by_lines(kind, result, a)
            return result
        result = self._keep(func(a, b).contiguous())
        one, other = (self._operand(part) for part in (a, b))
        if func in REFLECTED:
            one, other = other, one
        self._by_lines(kind, result, one, other)
        return result

    def _addcmul(
        self, func: Callable[..., Any], a: Tensor, b: Tensor, c: Tensor, *, value: float = 1.0
    ) -> Tensor:
        result = self._keep(func(a, b, c, value=value).contiguous())
        self._by_lines(Kind.ADDCMUL, result, *(self._operand(one) for one in (a, b, c)), value=value)
        return result

    def _roll(self, func: Callable[..., Any], x: Tensor, shifts: int, dims: int) -> Tensor:
        result = self._keep(func(x, shifts, dims).contiguous())
        size = x.size(dims)
        shift = shifts % size
        self._copy(result.narrow(dims, shift, size - shift), x.narrow(dims, 0, size - shift))
        if shift:
            self._copy(result.narrow(dims, 0, shift), x.narrow(dims, size - shift, shift))
        return result

    def _cat(self, func: Callable[..., Any], parts: Sequence[Tensor], dim: int = 0) -> Tensor:
        result, begin = self._keep(func(parts, dim).contiguous()), 0
        for part in parts:
            if self.depends(part):  # the others are there already
                self._copy(result.narrow(dim, begin, part.size(dim)), part)
            begin += part.size(dim)
        return result

    def _pad(self, func: Callable[..., Any], x: Tensor, pads: Sequence[int], **given: Any) -> Tensor:
        result = self._keep(func(x, pads, **given).contiguous())
        middle = result
        for number in range(len(pads) // 2):
            self._require(min(pads[2 * number : 2 * number + 2]) >= 0, "a cut")
            middle = middle.narrow(-1 - number, pads[2 * number], x.size(-1 - number))
        self._copy(middle, x)
        return result

    def _embedding(
        self, func: Callable[..., Any], indices: Tensor, table: Tensor, *_: Any, **__: Any
    ) -> Tensor:
        return self._gather(table, indices, F.embedding(indices, table))

    def _gather(self, table: Tensor, indices: Tensor, result: Tensor) -> Tensor:
        self._require(table.dim() == 2 and table.is_contiguous() and not self.depends(table), "a lookup")
        self._require(indices.dtype == torch.int64, "a lookup")
        places = indices.flatten()
        self._require(_share(places, indices), "a lookup")
        result = self._keep(result.contiguous())
        sizes = (places.numel(), table.size(1), 1, 1, 1)
        constant = self._constant(table)
        self._add(Kind.GATHER, sizes, out=view_of(result, ()), a=view_of(constant), b=view_of(places))
        return result

    def _attend(
        self,
        func: Callable[..., Any],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **given: Any,
    ) -> Tensor:
        slot = self._slots.get(k.data_ptr())
        self._require(slot is not None and attn_mask is None and not is_causal and not given, "attention")
        self._require(q.size(2) == 1 and q.stride(-1) == 1, "attention")
        rows, heads, _, width = q.shape
        result = self._keep(q.new_zeros(rows, 1, heads, v.size(-1))).transpose(1, 2)
        sizes = (rows, heads, width, v.size(-1), 1)
        self._add(
            Kind.ATTEND, sizes, out=_by_head(result), a=_by_head(q), slot=slot or 0, value=width**-0.5
        )  # fmt: skip
        return result

    def _unchanged(self, func: Callable[..., Any], x: Tensor, *args: Any, **given: Any) -> Tensor:
        """Of dropout in use, and of a number format that `x` has already."""
        result: Tensor = func(x, *args, **given)
        self._require(_share(result, x), "a change")
        return result

    # How notes are taken.

    def _by_lines(
        self, kind: Kind, out: Tensor, *operands: Tensor, whole_line: bool = False, value: float = 0.0
    ) -> None:
        self._require(all(one.dtype == torch.float32 for one in (out, *operands)), "a number format")
        found = common_lines(out, operands, whole_line=whole_line)
        if found is None:
            raise UnrecordableError("too many dimensions")
        sizes, strides = found
        self._add(kind, sizes, value=value)
        for name, one, steps in zip(("out", "a", "b", "c"), (out, *operands), strides, strict=False):
            setattr(self.operations[-1], name, view_of(one, steps))

    def _copy(self, out: Tensor, source: Tensor) -> None:
        found = common_lines(out, (source,), whole_line=False)
        if found is None or out.dtype != source.dtype or source.dtype not in (torch.float32, torch.int64):
            raise UnrecordableError("a copy")
        sizes, strides = found
        kind = Kind.COPY if source.dtype == torch.float32 else Kind.COPY_WIDE
        self._add(kind, sizes, out=view_of(out, strides[0]), a=view_of(source, strides[1]))

    def _add(
        self, kind: Kind, sizes: Sequence[int], *, slot: int = 0, value: float = 0.0, **views: Any
    ) -> None:
        sizes_in_memory = (ctypes.c_int64 * SIZES)(*sizes)
        self.operations.append(Operation(kind=kind, slot=slot, sizes=sizes_in_memory, value=value, **views))

    def _operand(self, part: Any) -> Tensor:
        if not isinstance(part, Tensor):
            part = torch.tensor(float(part))
        if not self.depends(part):
            self._constants.append(part)
        return part

    def _constant(self, tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        self._require(tensor.is_contiguous() and not self.depends(tensor), "a weight")
        self._require(tensor.dtype == torch.float32, "a number format")
        self._constants.append(tensor)
        return tensor

    def _keep(self, tensor: Tensor) -> Tensor:
        self._kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise UnrecordableError(what)


def _tensors_in(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors_in(value)


def _share(one: Tensor, other: Tensor) -> bool:
    """Whether both are the same memory."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _by_head(tensor: Tensor) -> View:
    """`tensor` (B, H, 1, K), with the strides of its rows and heads."""
    return view_of(tensor, tensor.stride()[:2])


_COMPUTED: dict[Any, str] = {
    **dict.fromkeys(ELEMENTWISE, "_elementwise"),
    F.linear: "_linear", F.rms_norm: "_rms_norm", F.layer_norm: "_layer_norm", F.embedding: "_embedding",
    F.scaled_dot_product_attention: "_attend", F.dropout: "_unchanged", F.pad: "_pad", torch.cat: "_cat",
    torch.addcmul: "_addcmul", torch.Tensor.roll: "_roll", torch.roll: "_roll", torch.Tensor.to: "_unchanged",
    torch.Tensor.float: "_unchanged", stored: "_store",
}  # fmt: skip
