"""The recorded step of some rows of a batch, which compiled code computes."""

import ctypes

import numpy as np
import torch

from models.depth import Depth
from models.layers.kv_cache import KVCache
from models.native.operations import Operation, State
from models.native.recorded_cache import RecordedCache, UnrecordableError
from models.native.recorder import Recorder
from models.native.recording import Packed
from models.recursive_lm import RecursiveLM


class RecordedRows:
    """The operations of `rows` rows, from row `first` of a batch on, and the `state` that they read.

    `tokens` (B,) and `pads` (B,) are those of the whole batch, in int64. `packed` gets the weights that it
    does not have yet. Raises UnrecordableError for a model whose step is not a list of operations.
    """

    def __init__(
        self,
        model: RecursiveLM,
        depth: Depth,
        first: int,
        rows: int,
        *,
        state: State,
        tokens: np.ndarray,
        pads: np.ndarray,
        packed: Packed,
    ) -> None:
        before = model.config.ngram
        with torch.inference_mode(False), torch.no_grad():  # NumPy shares no inference tensor's memory
            recent = torch.zeros(rows, before + 1, dtype=torch.int64)
            places = torch.zeros(rows, 1, dtype=torch.int64)
            recorder = Recorder((recent, places), packed)
            with recorder:
                output = model(recent[:, -1:], depth=depth, cache=RecordedCache(recent, places))
            self.logits: np.ndarray = output.logits[:, -1].numpy()
            """(rows, V). Each step writes them anew."""
        recording = recorder.recording
        if recording.depends(output.passes):
            raise UnrecordableError("passes that depend on the token")
        self.passes: list[float] = output.passes[:, -1].tolist()
        """Of each row's new token."""
        self._first, self._state = first, state
        self._scores = np.empty((state.threads, 0), np.float32)
        self._operations = (Operation * len(recording.operations))(*recording.operations)
        # The operations and the state hold only addresses.
        self._kept = recording, recent, places, tokens, pads
        state.operations, state.operation_count = ctypes.addressof(self._operations), len(self._operations)
        state.rows, state.before = rows, before
        state.recent, state.places = recent.data_ptr(), places.data_ptr()
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
