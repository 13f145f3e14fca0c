"""The next logits of a batch of texts, in compiled code."""

import ctypes
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from models.depth import Depth
from models.device import free_memory_bytes
from models.kernels.library import compiled_library
from models.layers.block import Block
from models.layers.kv_cache import KVCache
from models.native.operations import Operation, State
from models.native.recorded_cache import UnrecordableError
from models.native.recorded_rows import RecordedRows
from models.native.recording import Packed
from models.recursive_lm import RecursiveLM

Step = Callable[..., None]
"""rlm_step of step.c: the states, one for each thread that has rows of its own, and their number."""
_LEAST_TEXTS = 8
"""As many texts as a thread reads a weight for at once. Where the weights are many, threads that have fewer
read a part of the weights each, and wait for each other after every product."""
_MOST_READ_BY_EACH = 2**26
"""The most bytes of weights that every thread reads, however few texts it has."""


def native_step() -> Step | None:
    """The function that computes a list of operations, or None where this machine has no compiled code."""
    library = compiled_library()
    if library is None:
        return None
    step, size = library.rlm_step, library.rlm_operation_size
    step.argtypes, step.restype = [ctypes.c_void_p, ctypes.c_int64], None
    size.argtypes, size.restype = [], ctypes.c_int64
    found: Step = step
    # None where structures are laid out in another way.
    return found if size() == ctypes.sizeof(Operation) else None


def _threads() -> int:
    """The threads that compute a step. One reads a weight once for all texts; several parts that it computed
    one after another would each read it again."""
    library = compiled_library()
    return torch.get_num_threads() if library is not None and library.rlm_has_threads() else 1


class NativeStep:
    """The step of a model at one depth, for `rows` texts. It reads and extends caches as the model does.

    It holds a copy of the weights, in the order in which they are read; `packed` has those of other steps of
    the same model. Threads divide the texts among them, or the weights, where there are few texts and many
    weights.

    Raises UnrecordableError for a model whose step is not a list of operations: its tokens leave early, its
    cache holds latents, or it is not in float32 on a CPU.
    """

    def __init__(
        self,
        step: Step,
        model: RecursiveLM,
        depth: Depth,
        rows: int,
        packed: Packed,
    ) -> None:
        _require_plain(model, depth)
        if not packed:
            _require_room(model)
        threads = _threads()
        few = rows < _LEAST_TEXTS * threads and _weight_bytes(model) > _MOST_READ_BY_EACH
        count = 1 if few else min(threads, rows)
        borders = [rows * part // count for part in range(count + 1)]
        self._parts = _recorded_parts(model, depth, [end - first for first, end in pairwise(borders)], packed)
        self._tokens, self._pads = np.zeros((2, rows), np.int64)
        self._states = (State * count)()
        for state, part, first in zip(self._states, self._parts, borders, strict=False):
            state.threads = threads if count == 1 else 1
            part.attach(state, first, self._tokens, self._pads)
        self.passes = [passes for part in self._parts for passes in part.passes]
        """Of each row's new token."""
        self._found = [part.logits for part in self._parts]
        self._logits = self._found[0] if count == 1 else np.concatenate(self._found)
        self._places = np.split(self._logits, borders[1:-1]) if count > 1 else []
        """Where the logits of each part are copied to."""
        self._step, self._arguments = step, (ctypes.addressof(self._states), count)
        self._capacity = 0
        self._keys: Tensor | None = None
        self._ids: Tensor | None = None
        self._padding: Tensor | None = None

    def logits(self, tokens: Sequence[int], cache: KVCache, padding: Tensor | None) -> np.ndarray:
        """Logits (B, V) after the new `tokens`, one of each row, which are added to the cache. `padding` (B,)
        is the number of pads at the start of each row, and does not change while it is the same tensor. The
        next call overwrites what this one returns. Raises ValueError for a cache that is full or has other
        rows."""
        # Python is slow here, since the weights have just filled the processor's caches.
        if cache.keys is not self._keys:
            self._bind(cache)
        if padding is not self._padding:
            self._set_padding(padding)
        self._tokens[:] = tokens
        length = cache.length
        if length >= self._capacity:
            raise ValueError("the cache is full")
        for state in self._states:
            state.length = length
        self._step(*self._arguments)
        cache.advance(1)
        for place, found in zip(self._places, self._found, strict=False):
            np.copyto(place, found)
        return self._logits

    def _bind(self, cache: KVCache) -> None:
        """Use this cache from now on."""
        rows = cache.keys.size(1)
        if rows != len(self._tokens):
            raise ValueError(f"a cache of {rows} rows for {len(self._tokens)}")
        self._capacity = cache.capacity
        self._keys, self._ids = cache.keys, cache.tokens  # the states have only addresses
        for part in self._parts:
            part.bind(cache)

    def _set_padding(self, padding: Tensor | None) -> None:
        self._padding = padding
        self._pads[:] = 0 if padding is None else padding.numpy()

    def forget_cache(self) -> None:
        """Hold the last cache in memory no longer."""
        self._keys = self._ids = None


def _recorded_parts(
    model: RecursiveLM, depth: Depth, sizes: Sequence[int], packed: Packed
) -> list[RecordedRows]:
    """Parts of so many rows each. Those of one size are recorded once, which takes as long as some tokens."""
    recorded: dict[int, RecordedRows] = {}
    parts = []
    for rows in sizes:
        known = recorded.get(rows)
        parts.append(RecordedRows(model, depth, rows, packed) if known is None else known.copy())
        recorded.setdefault(rows, parts[-1])
    return parts


def _require_plain(model: RecursiveLM, depth: Depth) -> None:
    """Raise UnrecordableError for what can be told before the recording."""
    if any(not _is_plain(weight) for weight in (*model.parameters(), *model.buffers())):
        raise UnrecordableError("weights that are not in float32 on a CPU")
    if model.training or torch.is_autocast_enabled("cpu"):
        raise UnrecordableError("a model in training")
    if any(isinstance(part, Block) and part._compiled_call_impl is not None for part in model.modules()):
        raise UnrecordableError("blocks that torch compiles")
    if type(model.new_cache(1, 1, depth)) is not KVCache:
        raise UnrecordableError("a cache of latents")


def _require_room(model: RecursiveLM) -> None:
    """Raise UnrecordableError where a second copy of the weights could fill the memory."""
    if _weight_bytes(model) > free_memory_bytes(torch.device("cpu")) // 2:
        raise UnrecordableError("weights for which there is too little memory")


def _weight_bytes(model: RecursiveLM) -> int:
    return sum(weight.nbytes for weight in model.parameters())


def _is_plain(weight: Tensor) -> bool:
    divided = hasattr(weight, "full_tensor")
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not divided
