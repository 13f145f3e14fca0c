"""Copies of the memory of recorded operations, so that the same operations work on other numbers."""

import ctypes
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from models.native.operations import Operation

_WORD = 8
"""Bytes of an address."""
_ADDRESSES = [getattr(Operation, name).offset // _WORD for name in ("out", "a", "b", "c")]
"""The words of an operation that hold addresses."""


class CopiedMemory:
    """A copy of the memory of each tensor. What lies elsewhere, as the weights do, is shared."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        storages = {one.untyped_storage().data_ptr(): one.untyped_storage() for one in tensors}
        self._copies = {start: storages[start].clone() for start in sorted(storages)}

    def tensor(self, tensor: Tensor) -> Tensor:
        """The copy of one of the tensors, or of a view of one."""
        memory = self._copies[tensor.untyped_storage().data_ptr()]
        copied = torch.empty(0, dtype=tensor.dtype)
        return copied.set_(memory, tensor.storage_offset(), tensor.shape, tensor.stride())

    def operations(self, operations: ctypes.Array[Operation]) -> ctypes.Array[Operation]:
        """The same operations on the copies."""
        copied = type(operations).from_buffer_copy(operations)
        shape = len(copied), ctypes.sizeof(Operation) // _WORD
        words = np.ndarray(shape, np.int64, memoryview(copied))
        words[:, _ADDRESSES] = self._addresses(words[:, _ADDRESSES])
        return copied

    def _addresses(self, addresses: np.ndarray) -> np.ndarray:
        """Where the copies of what is at `addresses` are."""
        starts = np.fromiter(self._copies, np.int64)  # ascending
        sizes = np.array([copy.nbytes() for copy in self._copies.values()])
        copies = np.array([copy.data_ptr() for copy in self._copies.values()])
        place = (starts.searchsorted(addresses, side="right") - 1).clip(0)
        within = addresses - starts[place]
        return np.where((within >= 0) & (within < sizes[place]), copies[place] + within, addresses)
