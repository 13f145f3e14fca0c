"""What is recorded of a decoding step: operations, and the memory that they read and write."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.native.operations import SIZES, Kind, Operation, common_lines, in_panels, view_of
from models.native.recorded_cache import UnrecordableError

Packed = dict[tuple[int, tuple[int, ...], tuple[int, ...]], Tensor]
"""Weights in the order in which they are read, by the address, sizes and strides of each."""


class Recording:
    """The operations so far. They hold only addresses, so this holds the tensors."""

    def __init__(self, inputs: Sequence[Tensor], packed: Packed) -> None:
        """`packed` gets the weights that it does not have yet."""
        self.operations: list[Operation] = []
        self.slots: dict[int, int] = {}
        """The slots of the cache, by the addresses of the keys that stand for them."""
        self._results: dict[int, Tensor] = {}  # by address: what depends on the inputs
        self._constants: list[Tensor] = []
        self._packed = packed
        for tensor in inputs:
            self.add_result(tensor)

    @property
    def results(self) -> list[Tensor]:
        """The inputs, and what depends on them."""
        return [*self._results.values()]

    def depends(self, tensor: Tensor) -> bool:
        """Whether `tensor` depends on the inputs."""
        return tensor.untyped_storage().data_ptr() in self._results

    def add_result(self, tensor: Tensor) -> Tensor:
        """Note that `tensor` depends on the inputs, and return it."""
        self._results[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def constant(self, tensor: Tensor | None) -> Tensor | None:
        """`tensor`, which does not depend on the inputs, as an operation reads it."""
        if tensor is None:
            return None
        require(tensor.is_contiguous() and not self.depends(tensor), "a weight")
        require(tensor.dtype == torch.float32, "a number format")
        self._constants.append(tensor)
        return tensor

    def operand(self, part: Tensor | float) -> Tensor:
        """An operand, as a tensor."""
        tensor = part if isinstance(part, Tensor) else torch.tensor(float(part))
        if not self.depends(tensor):
            self._constants.append(tensor)
        return tensor

    def packed(self, weight: Tensor) -> Tensor:
        """`weight` (outputs, inputs) in the order in which it is read."""
        require(not self.depends(weight), "a product")
        key = (weight.data_ptr(), weight.shape, weight.stride())
        self._constants.append(weight)  # no other weight gets its address
        found = self._packed.get(key)
        # Another thread may pack it meanwhile. What is there stays: operations may hold its address.
        return self._packed.setdefault(key, in_panels(weight)) if found is None else found

    def add(
        self, kind: Kind, sizes: Sequence[int], *, slot: int = 0, value: float = 0.0, **views: Any
    ) -> Operation:
        """Note an operation."""
        sizes_in_memory = (ctypes.c_int64 * SIZES)(*sizes)
        operation = Operation(kind=kind, slot=slot, sizes=sizes_in_memory, value=value, **views)
        self.operations.append(operation)
        return operation

    def add_by_lines(
        self, kind: Kind, out: Tensor, *operands: Tensor, whole_line: bool = False, value: float = 0.0
    ) -> Operation:
        """Note an operation on every line of the innermost dimension; see `common_lines`."""
        require(all(one.dtype == torch.float32 for one in (out, *operands)), "a number format")
        found = common_lines(out, operands, whole_line=whole_line)
        if found is None:
            raise UnrecordableError("too many dimensions")
        sizes, strides = found
        operation = self.add(kind, sizes, value=value)
        for name, one, steps in zip(("out", "a", "b", "c"), (out, *operands), strides, strict=False):
            setattr(operation, name, view_of(one, steps))
        return operation

    def add_copy(self, out: Tensor, source: Tensor) -> None:
        """Note that `source` is copied to `out`."""
        found = common_lines(out, (source,), whole_line=False)
        if found is None or out.dtype != source.dtype or source.dtype not in (torch.float32, torch.int64):
            raise UnrecordableError("a copy")
        sizes, strides = found
        kind = Kind.COPY if source.dtype == torch.float32 else Kind.COPY_WIDE
        self.add(kind, sizes, out=view_of(out, strides[0]), a=view_of(source, strides[1]))


def require(holds: bool, what: str) -> None:
    """Raise UnrecordableError with `what` cannot be recorded, unless `holds`."""
    if not holds:
        raise UnrecordableError(what)
