"""The logits after the newest token of each text, by the fastest way that this machine has."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.native.native_step import NativeStep, native_step
from models.native.recorded_cache import UnrecordableError

if TYPE_CHECKING:
    from models.depth import Depth
    from models.layers.kv_cache import KVCache
    from models.native.recording import Packed
    from models.recursive_lm import RecursiveLM

MOST_ROWS = 64
"""The most texts of a batch that compiled code writes. It is faster than torch for all that were measured."""
_TOLERANCE = 1e-3
"""How far the logits of compiled code may be from the model's own, as a share of the largest one."""


@torch.inference_mode()
def last_logits(
    model: RecursiveLM, depth: Depth, tokens: Tensor, cache: KVCache | None, padding: Tensor | None
) -> tuple[np.ndarray, list[float]]:
    """Logits (B, V) in float32 after the last token of each row of `tokens` (B, T), and its passes."""
    output = model(tokens, depth=depth, cache=cache, padding=padding)
    return output.logits[:, -1].float().cpu().numpy(), output.passes[:, -1].tolist()


class NextLogits:
    """Adds a token to each text of a batch, and scores what may follow it.

    A step is recorded from the model's forward call and repeated in compiled code. Where that cannot be, the
    model's forward call is used at every token.
    """

    def __init__(self, model: RecursiveLM, depth: Depth, packed: Packed | None = None) -> None:
        """`packed` is shared by those of one model: its weights for compiled code, which they fill."""
        self._model = weakref.ref(model)  # it may be kept for as long as the model is there
        self._depth = depth
        self._device = next(model.parameters()).device
        self._packed = {} if packed is None else packed
        self._steps: dict[int, NativeStep] = {}  # by the number of texts
        self._last: NativeStep | None = None
        self._records = True

    def score(
        self, tokens: Sequence[int], cache: KVCache, padding: Tensor | None
    ) -> tuple[np.ndarray, list[float]]:
        """Logits (B, V) in float32 after the new `tokens`, one of each text, and their passes.

        The tokens are added to the cache. `padding` (B,) is the number of pads at the start of each text, and
        does not change while it is the same tensor. The next call may overwrite the logits.
        """
        step = self._steps.get(len(tokens))
        if step is not None:
            if step is not self._last:  # one cache is in use at a time
                self.forget_caches()
                self._last = step
            return step.logits(tokens, cache, padding), step.passes
        return self._by_the_model(tokens, cache, padding)

    @torch.inference_mode()
    def _by_the_model(
        self, tokens: Sequence[int], cache: KVCache, padding: Tensor | None
    ) -> tuple[np.ndarray, list[float]]:
        """`score` by a forward call; it records a step."""
        model = self._model()
        assert model is not None
        newest = torch.tensor(tokens, device=self._device)[:, None]  # (B, 1)
        logits, passes = last_logits(model, self._depth, newest, cache, padding)
        if self._records and len(tokens) <= MOST_ROWS:
            logits = self._recorded(model, tokens, cache, padding, logits)
        return logits, passes

    def _recorded(
        self,
        model: RecursiveLM,
        tokens: Sequence[int],
        cache: KVCache,
        padding: Tensor | None,
        logits: np.ndarray,
    ) -> np.ndarray:
        """Record a step. If it gives the model's `logits` (B, V), but for their rounding, it is used from now
        on, and its own are returned."""
        compiled = native_step()
        try:
            if compiled is None:
                raise UnrecordableError("no compiled code")
            step = NativeStep(compiled, model, self._depth, len(tokens), self._packed)
        except UnrecordableError:
            self._records = False
            return logits
        place = cache.length - 1
        before = cache.keys[..., place, :].clone(), cache.values[..., place, :].clone()
        cache.truncate(place)
        found = step.logits(tokens, cache, padding)
        worst = _TOLERANCE * max(1.0, float(np.abs(logits).max()))
        if np.allclose(found, logits, rtol=0.0, atol=worst, equal_nan=True):
            self._steps[len(tokens)] = step
            return found
        cache.keys[..., place, :], cache.values[..., place, :] = before
        self._records = False
        return logits

    def forget_caches(self) -> None:
        """Hold no cache of an earlier call in memory."""
        for step in self._steps.values():
            step.forget_cache()


class _Recordings:
    """What was recorded of a model, while its weights stay what they are."""

    def __init__(self, weights: list[tuple[Any, int, int]]) -> None:
        self.weights = weights
        self.packed: Packed = {}
        self.idle: dict[tuple[Depth, int], NextLogits] = {}
        """By depth and number of threads: a step is recorded for so many."""


_recordings: weakref.WeakKeyDictionary[RecursiveLM, _Recordings] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def next_logits(model: RecursiveLM, depth: Depth) -> Iterator[NextLogits]:
    """Score at `depth` within the context. What is recorded of a model whose weights ask for no gradients, as
    those of a loaded run, is kept for later. Two that score at once have each their own."""
    weights = [*model.parameters(), *model.buffers()]
    other_numbers = model.training or torch.is_autocast_enabled("cpu")
    if other_numbers or any(weight.requires_grad or weight.is_inference() for weight in weights):
        yield NextLogits(model, depth)
        return
    # Memory that is held here never becomes that of other weights, so an address tells them apart.
    now = [(weight.untyped_storage(), weight.data_ptr(), weight._version) for weight in weights]
    known = _recordings.get(model)
    if known is None or known.weights != now:
        known = _recordings[model] = _Recordings(now)
    key = depth, torch.get_num_threads()
    found = known.idle.pop(key, None) or NextLogits(model, depth, known.packed)
    try:
        yield found
    finally:
        found.forget_caches()
        known.idle[key] = found
