"""Continue many texts at once. A text can be added while others are written, and each ends on its own.

The rows of one depth share a batch and a cache. A new row is read alone, and its keys and values are copied
into the batch. So a row's results are those it would have alone, except for the rounding of matrix products,
which depends on the number of rows.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from data.errors import RlmError
from models.depth import effective_depth
from models.device import free_memory_bytes, is_out_of_memory
from models.generation.continuation import Continuation, Result
from models.generation.next_logits import NextLogits, last_logits
from models.generation.row import (
    Choice,
    Row,
    depth_with_halting,
    prompt_or_start,
    require_known_tokens,
    seed_or_random,
)
from models.generation.sampler import Sampler

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.depth import Depth
    from models.layers.kv_cache import KVCache
    from models.native.recording import Packed
    from models.recursive_lm import RecursiveLM

MAX_ROWS = 16
"""Texts written at the same time, unless another number is given."""
_NEW_ROWS = 4  # rows read in one step; the others wait meanwhile
_ROOM = 64  # tokens for which a cache has room before it is copied into a larger one


class BatchDecoder:
    """Writes the texts that are added, one token of each in a step.

    Texts wait in the order in which they came while `max_rows` are written, or while the caches of the
    others could take more than `cache_bytes`. One text is always written. None: a quarter of the memory
    that is free now.
    """

    def __init__(
        self,
        model: RecursiveLM,
        tokenizer: Tokenizer,
        max_rows: int = MAX_ROWS,
        cache_bytes: int | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._max_rows = max_rows
        device = next(model.parameters()).device
        self._cache_bytes = free_memory_bytes(device) // 4 if cache_bytes is None else cache_bytes
        self._waiting: deque[Continuation] = deque()
        self._batches: dict[Depth, _Batch] = {}
        self._packed: Packed = {}
        self._next: dict[Depth, NextLogits] = {}

    @property
    def waiting(self) -> int:
        """The number of texts that have not begun."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """The number of texts that are being written. Any thread may read it."""
        return sum(len(batch.rows) for batch in list(self._batches.values()))

    def add(self, continuation: Continuation) -> None:
        """Add a text. Raises as `check`."""
        self.check(continuation)
        self._waiting.append(continuation)

    def check(self, continuation: Continuation) -> None:
        """Raise UsageError for a prompt with a token outside the vocabulary. Any thread may call it."""
        require_known_tokens(self._model, continuation.prompt)

    def step(self) -> list[Result]:
        """The next token of every text that is being written.

        A text is done after a token that is finished, or an error. Only the text whose logits are not
        numbers gets an error for them; where memory runs out, all texts of that depth get one.
        """
        self._drop_cancelled()
        self._begin_waiting()
        results: list[Result] = []
        for batch in list(self._batches.values()):
            results += batch.step()
        self._batches = {depth: batch for depth, batch in self._batches.items() if batch.rows}
        self._forget_caches()
        return results

    def clear(self) -> list[Continuation]:
        """Forget all texts, and return them."""
        texts = [row.continuation for batch in self._batches.values() for row in batch.rows]
        texts += self._waiting
        self._waiting.clear()
        self._batches.clear()
        self._forget_caches()
        return texts

    def _forget_caches(self) -> None:
        """Hold no cache of a depth at which no text is written."""
        for depth, scores in self._next.items():
            if depth not in self._batches:
                scores.forget_caches()

    def _drop_cancelled(self) -> None:
        self._waiting = deque(one for one in self._waiting if not one.cancelled)
        for batch in self._batches.values():
            batch.rows = [row for row in batch.rows if not row.continuation.cancelled]
        self._batches = {depth: batch for depth, batch in self._batches.items() if batch.rows}

    def _begin_waiting(self) -> None:
        """Move waiting texts into their batches, as many as there is room for."""
        for _ in range(_NEW_ROWS):
            if not self._waiting:
                return
            depth = self._depth_of(self._waiting[0])
            batch = self._batches.get(depth) or self._new_batch(depth)
            used = sum(len(other.rows) * other.row_bytes for other in self._batches.values())
            full = self.active >= self._max_rows or used + batch.row_bytes > self._cache_bytes
            if full and self._batches:
                return
            self._batches[depth] = batch
            batch.add(self._waiting.popleft())

    def _new_batch(self, depth: Depth) -> _Batch:
        if depth not in self._next:
            self._next[depth] = NextLogits(self._model, depth, self._packed)
        return _Batch(self._model, self._tokenizer, depth, self._next[depth])

    def _depth_of(self, text: Continuation) -> Depth:
        """Its depth, the same for modes that come to the same in this model."""
        depth = effective_depth(self._model, text.depth)
        return depth_with_halting(self._model, depth, text.config)


class _ActiveRow:
    """A text that is being written."""

    cache: KVCache | None = None
    """Has its keys and values but those of the newest token, in row `place`. None: it has to be read."""
    place: int = 0

    def __init__(
        self, continuation: Continuation, model: RecursiveLM, tokenizer: Tokenizer, others: list[_ActiveRow]
    ) -> None:
        context_length, config = model.config.context_length, continuation.config
        prompt = prompt_or_start(tokenizer, continuation.prompt)
        self.continuation = continuation
        self.settings = config.changed(seed=None, stop=(), max_tokens=None)
        """Those that decide on a token."""
        alike = (other.sampler for other in others if other.settings == self.settings)
        self.sampler: Sampler = next(alike, None) or Sampler(tokenizer, self.settings)
        """Rows with equal settings have the same."""
        self.row = Row(
            continuation.row,
            prompt,
            seed_or_random(config),
            tokenizer,
            config,
            context_length,
            continuation.alternatives,
        )
        self.row.fit_prompt(context_length)


_ScoredRows = tuple[list[_ActiveRow], np.ndarray, list[float]]
"""Rows with the logits (B, V) after the newest token of each, and the passes of those tokens."""


class _Batch:
    """The rows of one depth."""

    def __init__(
        self, model: RecursiveLM, tokenizer: Tokenizer, depth: Depth, next_logits: NextLogits
    ) -> None:
        self.rows: list[_ActiveRow] = []
        self._model = model
        self._tokenizer = tokenizer
        self._depth = depth
        self._next = next_logits
        self._device = next(model.parameters()).device
        self._padding: Tensor | None = None
        one = model.new_cache(1, 1, depth)
        self.row_bytes = model.config.context_length * (one.keys.nbytes + one.values.nbytes)
        """The bytes that a row's cache can come to."""

    def add(self, continuation: Continuation) -> None:
        self.rows.append(_ActiveRow(continuation, self._model, self._tokenizer, self.rows))

    def step(self) -> list[Result]:
        """The next token of every row. Rows that are done leave."""
        length = self._model.config.context_length
        for active in self.rows:
            if len(active.row.tokens) - active.row.start > length:
                active.row.slide(length)
                active.cache = None
        known = [active for active in self.rows if active.cache is not None]
        new = [active for active in self.rows if active.cache is None]
        try:
            scored = [self._score_next(known)] if known else []
            scored += self._read(new) if new else []
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            rows, self.rows = self.rows, []
            return [(active.continuation, _out_of_memory()) for active in rows]
        results: list[Result] = []
        self.rows = []
        for some in scored:
            for active, passes, choice in _choices(some):
                outcome = choice if isinstance(choice, RlmError) else active.row.append(choice, passes)
                results.append((active.continuation, outcome))
                if not isinstance(outcome, RlmError) and not outcome.finished:
                    self.rows.append(active)
        return results

    def _score_next(self, rows: list[_ActiveRow]) -> _ScoredRows:
        cache = self._shared_cache(rows)
        newest = [active.row.tokens[-1] for active in rows]
        return rows, *self._next.score(newest, cache, self._padding)

    @torch.inference_mode()
    def _read(self, rows: list[_ActiveRow]) -> list[_ScoredRows]:
        """As `_score_next`, of rows that are not in a cache. Equal windows are read once."""
        scored = []
        read: dict[tuple[int, ...], tuple[KVCache, np.ndarray, list[float]]] = {}
        for active in rows:
            window = tuple(active.row.window)
            if window not in read:
                cache = self._model.new_cache(1, len(window), self._depth)
                tokens = torch.tensor([window], device=self._device)  # (1, T)
                read[window] = cache, *last_logits(self._model, self._depth, tokens, cache, None)
            active.cache, logits, passes = read[window]
            active.place = 0
            scored.append(([active], logits, passes))
        return scored

    def _shared_cache(self, rows: list[_ActiveRow]) -> KVCache:
        """The cache that has exactly these rows, in this order, and room for a token of each."""
        cache = rows[0].cache
        assert cache is not None
        in_order = all(active.cache is cache and active.place == i for i, active in enumerate(rows))
        if in_order and cache.keys.size(1) == len(rows) and cache.length < cache.capacity:
            return cache
        return self._gathered(rows)

    @torch.inference_mode()
    def _gathered(self, rows: list[_ActiveRow]) -> KVCache:
        """A new cache that has the keys and values of these rows."""
        # The newest token has no keys yet.
        lengths = [len(active.row.window) - 1 for active in rows]
        capacity = min(self._model.config.context_length, max(lengths) + _ROOM)
        shared = self._model.new_cache(len(rows), capacity, self._depth)
        shared.advance(max(lengths))
        for place, (active, length) in enumerate(zip(rows, lengths, strict=True)):
            assert active.cache is not None
            shared.take(place, active.cache, active.place, length)
        for place, active in enumerate(rows):
            active.cache, active.place = shared, place
        padding = [max(lengths) - length for length in lengths]
        self._padding = torch.tensor(padding, device=self._device) if any(padding) else None
        return shared


def _choices(scored: _ScoredRows) -> Iterator[tuple[_ActiveRow, float, Choice | RlmError]]:
    """Each row with the passes of its newest token and the choice of the next one."""
    rows, logits, passes = scored
    alike: defaultdict[Sampler, list[int]] = defaultdict(list)
    for place, active in enumerate(rows):
        alike[active.sampler].append(place)
    for sampler, places in alike.items():
        some = logits if len(places) == len(rows) else logits[places]  # (B', V)
        for place, choice in zip(places, sampler.choose(some, [rows[p].row for p in places]), strict=True):
            yield rows[place], passes[place], choice


def _out_of_memory() -> RlmError:
    return RlmError("The machine has too little free memory for this text.", hint="Ask for a shorter one.")
