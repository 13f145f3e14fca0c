"""Generate tokens from a trained model, for one prompt or a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from data.errors import RlmError
from models.generation.next_logits import NextLogits, last_logits, next_logits
from models.generation.row import (
    GeneratedToken,
    Row,
    depth_with_halting,
    prompt_or_start,
    require_known_tokens,
    seed_or_random,
)
from models.generation.sampler import Sampler
from models.generation.settings import GenerationConfig

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.depth import Depth
    from models.layers.kv_cache import KVCache
    from models.recursive_lm import RecursiveLM

__all__ = ["GeneratedToken", "GenerationConfig", "generate"]


def generate(
    model: RecursiveLM,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    depth: Depth,
    config: GenerationConfig,
    *,
    use_cache: bool = True,
    alternatives: int = 0,
) -> Iterator[GeneratedToken]:
    """Continue `prompts`, lists of token ids, at `depth`.

    Rows of a batch are padded on the left and do not influence each other: at temperature 0 each
    row equals its result alone. Row i samples with seed + i. A prompt longer than the context is cut
    at its start. When the context is full, generation continues from its last half. An empty prompt
    starts from a newline if the vocabulary has one, else from the beginning-of-text token. Tokens
    are yielded step by step, and in the order of the rows within a step. Each has that many `alternatives`.

    Raises UsageError for a token outside the vocabulary, RlmError if the logits are not finite.
    """
    context_length = model.config.context_length
    first_seed = seed_or_random(config)
    sampler = Sampler(tokenizer, config)
    rows = [
        Row(
            index,
            prompt_or_start(tokenizer, prompt),
            first_seed + index,
            tokenizer,
            config,
            context_length,
            alternatives,
        )
        for index, prompt in enumerate(prompts)
    ]
    for row in rows:
        require_known_tokens(model, row.tokens)
        row.fit_prompt(context_length)
    depth = depth_with_halting(model, depth, config)
    scorer_class = _CachedScorer if use_cache else _UncachedScorer
    cache_length = _cache_length(rows, config, context_length)
    with next_logits(model, depth) as scores:
        scorer = scorer_class(model, depth, tokenizer.pad_id, context_length, cache_length, scores)
        yield from _written(scorer, sampler, rows)


def _written(scorer: _UncachedScorer, sampler: Sampler, rows: list[Row]) -> Iterator[GeneratedToken]:
    """The tokens of `rows`, until all are finished."""
    while rows:
        logits, passes = scorer.next_logits(rows)  # (B, V)
        for row, choice, taken in zip(rows, sampler.choose(logits, rows), passes, strict=True):
            if isinstance(choice, RlmError):
                raise choice
            yield row.append(choice, taken)
        active = [i for i, row in enumerate(rows) if not row.finished]
        if len(active) < len(rows):
            scorer.select_rows(active)
            rows = [rows[i] for i in active]


def _cache_length(rows: Sequence[Row], config: GenerationConfig, context_length: int) -> int:
    """Tokens the cache must hold: the context length, or less for a short answer."""
    if config.max_tokens is None:
        return context_length
    longest = max((len(row.window) for row in rows), default=0)
    return min(context_length, longest + config.max_tokens)


class _UncachedScorer:
    """Computes every window from its start at each step. Slow; the reference for the cache."""

    def __init__(
        self,
        model: RecursiveLM,
        depth: Depth,
        pad_id: int,
        context_length: int,
        cache_length: int,
        scores: NextLogits,
    ) -> None:
        self._model = model
        self._depth = depth
        self._pad_id = pad_id
        self._context_length = context_length
        self._cache_length = cache_length
        self._next = scores
        self._device = next(model.parameters()).device

    def next_logits(self, rows: Sequence[Row]) -> tuple[np.ndarray, list[float]]:
        """Logits (B, V) of the next token of each row, and the passes of each."""
        for row in rows:
            row.slide(self._context_length)
        tokens, padding = self._padded(rows)
        return last_logits(self._model, self._depth, tokens, None, padding)

    def select_rows(self, indices: list[int]) -> None:
        """Keep only the rows at `indices` of those of the last call."""

    def _padded(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor | None]:
        """Windows as tokens (B, T) padded on the left, and the padding (B,), or None without any."""
        windows = [row.window for row in rows]
        longest = max(map(len, windows))
        padding = [longest - len(window) for window in windows]
        filled = [[self._pad_id] * pad + window for pad, window in zip(padding, windows, strict=True)]
        return (
            torch.tensor(filled, device=self._device),
            torch.tensor(padding, device=self._device) if any(padding) else None,
        )


class _CachedScorer(_UncachedScorer):
    """Computes each token once. When a window slides, all windows are computed again."""

    _cache: KVCache | None = None
    _padding: Tensor | None = None

    def next_logits(self, rows: Sequence[Row]) -> tuple[np.ndarray, list[float]]:
        if self._cache is None:
            # Inference tensors can be changed in inference mode only.
            with torch.inference_mode():
                self._cache = self._model.new_cache(len(rows), self._cache_length, self._depth)
        # A full window has no padding, so the cache is full whenever a row must slide.
        elif self._cache.length < self._cache_length:
            return self._next.score([row.tokens[-1] for row in rows], self._cache, self._padding)
        self._cache.reset()
        for row in rows:
            row.slide(self._context_length)
        tokens, self._padding = self._padded(rows)
        return last_logits(self._model, self._depth, tokens, self._cache, self._padding)

    def select_rows(self, indices: list[int]) -> None:
        if not indices or self._cache is None:
            return
        selected = torch.tensor(indices, device=self._device)
        with torch.inference_mode():
            self._cache.select(selected)
        if self._padding is not None:
            self._padding = self._padding[selected]
