"""Records a decoding step: runs a model's forward call once and notes what it computes.

The notes are operations on the very memory of that call, as a CUDA graph holds them. Compiled code repeats
them for the next token after new input is written into the same places.

A model is followed as it is, so no architecture has a second implementation. What cannot be repeated (an
operation that is unknown here, or a decision that depends on numbers) raises `UnrecordableError`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, resolve_name

from models.native.operations import PANEL, Kind, View, view_of
from models.native.recorded_cache import UnrecordableError, stored
from models.native.recording import Packed, Recording, require
from models.native.torch_functions import ELEMENTWISE, OF_THE_SHAPE, REFLECTED, VIEWS

Function = Callable[..., Any]


class Recorder(TorchFunctionMode):
    """Within it, what torch computes from `inputs` is noted in `recording`."""

    def __init__(self, inputs: Sequence[Tensor], packed: Packed) -> None:
        """`packed` gets the weights that it does not have yet."""
        super().__init__()
        self.recording = Recording(inputs, packed)

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if not any(self.recording.depends(tensor) for tensor in _tensors_in((*args, *given.values()))):
            return func(*args, **given)
        if func in OF_THE_SHAPE:
            return func(*args, **given)
        if func in VIEWS:
            return _view(self.recording, func, args, given)
        note = _COMPUTED.get(func)
        if note is None:
            raise UnrecordableError(resolve_name(func) or str(func))
        return note(self.recording, func, *args, **given)


# What is noted for each function of torch. It is called with the recording, that function and its arguments.


def _store(recording: Recording, func: Function, k: Tensor, v: Tensor, slot: int) -> tuple[Tensor, Tensor]:
    rows, heads, _, width = k.shape
    require(k.stride(-1) == 1 and v.stride(-1) == 1, "keys")
    sizes = (rows, heads, width, v.size(-1), 1)
    recording.add(Kind.STORE, sizes, a=_by_head(k), b=_by_head(v), slot=slot)
    keys, values = k.expand(-1, -1, 2, -1).contiguous(), v.expand(-1, -1, 2, -1).contiguous()
    for tensor in (keys, values):
        recording.add_result(tensor)
    recording.slots[keys.data_ptr()] = slot
    return keys, values


def _view(recording: Recording, func: Function, args: Sequence[Any], given: Any) -> Any:
    source = args[0]
    if func is torch.Tensor.__getitem__ and isinstance(args[1], Tensor):
        return _gather(recording, source, args[1], func(*args))
    result = func(*args, **given)
    for part in _tensors_in((result,)):
        require(part.dtype == source.dtype, "another number format")
    if isinstance(result, Tensor) and not _share(result, source):  # a copy in another order
        require(func is not torch.Tensor.__getitem__, "a choice of elements")
        recording.add_copy(result.view(source.shape), source)
        return recording.add_result(result)
    return result


def _linear(
    recording: Recording, func: Function, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    result = recording.add_result(func(x, weight, bias))
    require(x.is_contiguous(), "a product")
    rows, (outputs, inputs) = x.numel() // x.size(-1), weight.shape
    panels = recording.packed(weight)
    width = -(-outputs // PANEL) * PANEL
    if width != outputs:  # PANEL outputs are written at once, so the result lies in a wider one
        wide = recording.add_result(torch.zeros(*result.shape[:-1], width))
        result = wide[..., :outputs]
    sizes = (rows, outputs, inputs, 1, 1)
    recording.add(
        Kind.LINEAR, sizes, out=view_of(result, (width,)), a=view_of(x, (inputs,)), b=view_of(panels),
        c=view_of(recording.constant(bias)),
    )  # fmt: skip
    return result


def _rms_norm(
    recording: Recording,
    func: Function,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    return _norm(recording, Kind.RMS_NORM, func(x, shape, weight, eps), x, (weight,), eps or 1.2e-7)


def _layer_norm(
    recording: Recording,
    func: Function,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    return _norm(recording, Kind.LAYER_NORM, func(x, shape, weight, bias, eps), x, (weight, bias), eps)


def _norm(
    recording: Recording,
    kind: Kind,
    result: Tensor,
    x: Tensor,
    gains: Sequence[Tensor | None],
    epsilon: float,
) -> Tensor:
    result = recording.add_result(result.contiguous())
    require(x.stride(-1) == 1, "a norm")
    views = [view_of(recording.constant(gain)) for gain in gains]
    operation = recording.add_by_lines(kind, result, x, whole_line=True, value=epsilon)
    operation.b = views[0]
    if len(views) > 1:
        operation.c = views[1]
    return result


def _elementwise(recording: Recording, func: Function, a: Any, b: Any = None, **given: Any) -> Tensor:
    kind = ELEMENTWISE[func]
    usual = {"inplace": False, "approximate": "none", "alpha": 1}
    require(all(usual.get(name, given) == value for name, value in given.items()), "a variant")
    if kind in (Kind.SILU, Kind.GELU, Kind.SIGMOID, Kind.TANH):
        result = recording.add_result(func(a).contiguous())
        recording.add_by_lines(kind, result, a)
        return result
    result = recording.add_result(func(a, b).contiguous())
    one, other = (recording.operand(part) for part in (a, b))
    if func in REFLECTED:
        one, other = other, one
    recording.add_by_lines(kind, result, one, other)
    return result


def _addcmul(
    recording: Recording, func: Function, a: Tensor, b: Tensor, c: Tensor, *, value: float = 1.0
) -> Tensor:
    result = recording.add_result(func(a, b, c, value=value).contiguous())
    recording.add_by_lines(Kind.ADDCMUL, result, *(recording.operand(one) for one in (a, b, c)), value=value)
    return result


def _roll(recording: Recording, func: Function, x: Tensor, shifts: int, dims: int) -> Tensor:
    result = recording.add_result(func(x, shifts, dims).contiguous())
    size = x.size(dims)
    shift = shifts % size
    recording.add_copy(result.narrow(dims, shift, size - shift), x.narrow(dims, 0, size - shift))
    if shift:
        recording.add_copy(result.narrow(dims, 0, shift), x.narrow(dims, size - shift, shift))
    return result


def _cat(recording: Recording, func: Function, parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    result, begin = recording.add_result(func(parts, dim).contiguous()), 0
    for part in parts:
        if recording.depends(part):  # the others are there already
            recording.add_copy(result.narrow(dim, begin, part.size(dim)), part)
        begin += part.size(dim)
    return result


def _pad(recording: Recording, func: Function, x: Tensor, pads: Sequence[int], **given: Any) -> Tensor:
    result = recording.add_result(func(x, pads, **given).contiguous())
    middle = result
    for number in range(len(pads) // 2):
        require(min(pads[2 * number : 2 * number + 2]) >= 0, "a cut")
        middle = middle.narrow(-1 - number, pads[2 * number], x.size(-1 - number))
    recording.add_copy(middle, x)
    return result


def _embedding(
    recording: Recording, func: Function, indices: Tensor, table: Tensor, *_: Any, **__: Any
) -> Tensor:
    return _gather(recording, table, indices, F.embedding(indices, table))


def _gather(recording: Recording, table: Tensor, indices: Tensor, result: Tensor) -> Tensor:
    require(table.dim() == 2 and table.is_contiguous() and not recording.depends(table), "a lookup")
    require(indices.dtype == torch.int64, "a lookup")
    places = indices.flatten()
    require(_share(places, indices), "a lookup")
    result = recording.add_result(result.contiguous())
    sizes = (places.numel(), table.size(1), 1, 1, 1)
    constant = recording.constant(table)
    recording.add(Kind.GATHER, sizes, out=view_of(result, ()), a=view_of(constant), b=view_of(places))
    return result


def _attend(
    recording: Recording,
    func: Function,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **given: Any,
) -> Tensor:
    slot = recording.slots.get(k.data_ptr())
    require(slot is not None and attn_mask is None and not is_causal and not given, "attention")
    require(q.size(2) == 1 and q.stride(-1) == 1, "attention")
    rows, heads, _, width = q.shape
    result = recording.add_result(q.new_zeros(rows, 1, heads, v.size(-1))).transpose(1, 2)
    sizes = (rows, heads, width, v.size(-1), 1)
    recording.add(
        Kind.ATTEND, sizes, out=_by_head(result), a=_by_head(q), slot=slot or 0, value=width**-0.5
    )  # fmt: skip
    return result


def _unchanged(recording: Recording, func: Function, x: Tensor, *args: Any, **given: Any) -> Tensor:
    """Of dropout in use, and of a number format that `x` has already."""
    result: Tensor = func(x, *args, **given)
    require(_share(result, x), "a change")
    return result


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


_COMPUTED: dict[Any, Function] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    F.linear: _linear, F.rms_norm: _rms_norm, F.layer_norm: _layer_norm, F.embedding: _embedding,
    F.scaled_dot_product_attention: _attend, F.dropout: _unchanged, F.pad: _pad, torch.cat: _cat,
    torch.addcmul: _addcmul, torch.Tensor.roll: _roll, torch.roll: _roll, torch.Tensor.to: _unchanged,
    torch.Tensor.float: _unchanged, stored: _store,
}  # fmt: skip
