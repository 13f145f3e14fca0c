"""The next logits of a batch of texts, in compiled code."""

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from models.depth import Depth
from models.device import free_memory_bytes
from models.kernels.library import compiled_library
from models.layers.block import Block
from models.layers.kv_cache import KVCache
from models.native.operations import Operation, State
from models.native.recorded_cache import RecordedCache, UnrecordableError
from models.native.recorder import Recorder
from models.native.recording import Packed
from models.recursive_lm import RecursiveLM

Step = Callable[..., None]
"""rlm_step of step.c: the operations, their number, and the state."""


def native_step() -> Step | None:
    """The function that computes a list of operations, or None where this machine has no compiled code."""
    library = compiled_library()
    if library is None:
        return None
    step, size = library.rlm_step, library.rlm_operation_size
    step.argtypes, step.restype = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p], None
    size.argtypes, size.restype = [], ctypes.c_int64
    found: Step = step
    # None where structures are laid out in another way.
    return found if size() == ctypes.sizeof(Operation) else None


class NativeStep:
    """The step of a model at one depth, for `rows` texts. It goes on with the caches of the model.

    It holds a copy of the weights, in the order in which they are read; `packed` has those of other steps of
    the same model. Raises UnrecordableError for a model whose step is not a list of operations: its tokens
    leave early, its cache holds latents, or it is not in float32 on a CPU.
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
        before = model.config.ngram
        with torch.inference_mode(False), torch.no_grad():  # NumPy shares no inference tensor's memory
            recent = torch.zeros(rows, before + 1, dtype=torch.int64)
            places = torch.zeros(rows, 1, dtype=torch.int64)
            pads = torch.zeros(rows, dtype=torch.int64)
            recorder = Recorder((recent, places), packed)
            with recorder:
                output = model(recent[:, -1:], depth=depth, cache=RecordedCache(recent, places))
            self._logits = output.logits[:, -1].numpy()
        recording = recorder.recording
        if recording.depends(output.passes):
            raise UnrecordableError("passes that depend on the token")
        self.passes: list[float] = output.passes[:, -1].tolist()
        """Of each row's new token."""
        self._step = step
        self._operations = (Operation * len(recording.operations))(*recording.operations)
        self._tokens, self._pads = (ctypes.c_int64 * rows)(), pads
        self._state = State(
            pads=pads.data_ptr(),
            threads=torch.get_num_threads(),
            rows=rows,
            tokens=ctypes.addressof(self._tokens),
            recent=recent.data_ptr(),
            before=before,
            places=places.data_ptr(),
        )
        self._arguments = (
            ctypes.addressof(self._operations), len(recording.operations), ctypes.addressof(self._state)
        )  # fmt: skip
        self._keys: Tensor | None = None
        self._ids: Tensor | None = None
        self._padding: Tensor | None = None
        self._scores = np.empty((self._state.threads, 0), np.float32)
        self._recording = recording  # the operations hold only addresses
        self._inputs = recent, places

    def logits(self, tokens: Sequence[int], cache: KVCache, padding: Tensor | None) -> np.ndarray:
        """Logits (B, V) after the new `tokens`, one of each row, which are added to the cache. `padding` (B,)
        is the number of pads at the start of each row, and does not change while it is the same tensor. The
        next call overwrites what this one returns."""
        # Python is slow here, since the weights have just filled the processor's caches.
        if cache.keys is not self._keys:
            self._bind(cache)
        if padding is not self._padding:
            self._set_padding(padding)
        self._tokens[:] = [*tokens]
        self._state.length = cache.length
        self._step(*self._arguments)
        cache.advance(1)
        return self._logits

    def _bind(self, cache: KVCache) -> None:
        """Use this cache from now on."""
        self._keys, self._ids, state = cache.keys, cache.tokens, self._state  # the state has only addresses
        state.keys, state.values = cache.keys.data_ptr(), cache.values.data_ptr()
        state.key_strides[:] = cache.keys.stride()[:3]
        state.value_strides[:] = cache.values.stride()[:3]
        state.ids, state.id_stride = cache.tokens.data_ptr(), cache.tokens.stride(0)
        if self._scores.shape[1] < cache.capacity:
            self._scores = np.empty((state.threads, cache.capacity), np.float32)
            state.scores, state.room = self._scores.ctypes.data, cache.capacity

    def _set_padding(self, padding: Tensor | None) -> None:
        self._padding = padding
        if padding is None:
            self._pads.zero_()
        else:
            self._pads.copy_(padding)

    def forget_cache(self) -> None:
        """Hold the last cache in memory no longer."""
        self._keys = self._ids = None


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
    size = sum(weight.nbytes for weight in model.parameters())
    if size > free_memory_bytes(torch.device("cpu")) // 2:
        raise UnrecordableError("weights for which there is too little memory")


def _is_plain(weight: Tensor) -> bool:
    divided = hasattr(weight, "full_tensor")
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not divided
