"""The recorded step of some rows of a batch, which compiled code computes."""

import copy
import ctypes

import numpy as np
import torch

from models.depth import Depth
from models.layers.kv_cache import KVCache
from models.native.copied_memory import CopiedMemory
from models.native.operations import Operation, State
from models.native.recorded_cache import RecordedCache, UnrecordableError
from models.native.recorder import Recorder
from models.native.recording import Packed
from models.recursive_lm import RecursiveLM


class RecordedRows:
    """The operations of a step of `rows` rows of a batch, and the memory on which they work.

    `packed` gets the weights that it does not have yet. Raises UnrecordableError for a model whose step is
    not a list of operations.
    """

    def __init__(self, model: RecursiveLM, depth: Depth, rows: int, packed: Packed) -> None:
        self.rows = rows
        self._before = model.config.ngram
        with torch.inference_mode(False), torch.no_grad():  # NumPy shares no inference tensor's memory
            self._recent = torch.zeros(rows, self._before + 1, dtype=torch.int64)
            self._places = torch.zeros(rows, 1, dtype=torch.int64)
            recorder = Recorder((self._recent, self._places), packed)
            with recorder:
                cache = RecordedCache(self._recent, self._places)
                output = model(self._recent[:, -1:], depth=depth, cache=cache)
            self._logits = output.logits[:, -1]  # (rows, V)
        recording = recorder.recording
        if recording.depends(output.passes):
            raise UnrecordableError("passes that depend on the token")
        self.passes: list[float] = output.passes[:, -1].tolist()
        """Of each row's new token."""
        self._recording = recording
        self._operations = (Operation * len(recording.operations))(*recording.operations)
        self._memory: CopiedMemory | None = None

    def attach(self, state: State, first: int, tokens: np.ndarray, pads: np.ndarray) -> None:
        """Let `state`, which has its threads, be that of these rows, from row `first` of a batch on.

        `tokens` (B,) and `pads` (B,) are those of the whole batch, in int64. Like the operations, the state
        has only addresses, so whoever calls keeps all three in memory.
        """
        self._first, self._state = first, state
        self._scores = np.empty((state.threads, 0), np.float32)
        state.operations, state.operation_count = ctypes.addressof(self._operations), len(self._operations)
        state.rows, state.before = self.rows, self._before
        state.recent, state.places = self._recent.data_ptr(), self._places.data_ptr()
        state.tokens, state.pads = tokens[first:].ctypes.data, pads[first:].ctypes.data

    def bind(self, cache: KVCache) -> None:
        """Use this cache from now on. Whoever calls keeps it in memory."""
        first, state = self._first, self._state
        state.keys, state.values = cache.keys[:, first:].data_ptr(), cache.values[:, first:].data_ptr()
        state.key_strides[:] = cache.keys.stride()[:3]
        state.value_strides[:] = cache.values.stride()[:3]
        state.ids, state.id_stride = cache.tokens[first:].data_ptr(), cache.tokens.stride(0)
        if self._scores.shape[1] < cache.capacity:
            self._scores = np.empty((state.threads, cache.capacity), np.float32)
            state.scores, state.room = self._scores.ctypes.data, cache.capacity

    @property
    def logits(self) -> np.ndarray:
        """(rows, V). Each step writes them anew into the same memory."""
        logits: np.ndarray = self._logits.numpy()
        return logits

    def copy(self) -> "RecordedRows":
        """The same operations for other rows. It takes a fraction of the time of a recording."""
        other = copy.copy(self)
        with torch.inference_mode(False):
            memory = CopiedMemory(self._recording.results)
            other._recent, other._places, other._logits = map(
                memory.tensor, (self._recent, self._places, self._logits)
            )
        other._memory, other._operations = memory, memory.operations(self._operations)
        return other
