"""Generate tokens from a trained model, for one prompt or a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from data.errors import UsageError
from data.tokenizer import SPECIAL_TOKENS
from models.generation.history import History
from models.generation.sampling import (
    Alternatives,
    exclude,
    min_p,
    most_likely,
    repetition_penalty,
    sample,
    temperature,
    top_k,
    top_p,
)
from models.generation.settings import GenerationConfig
from models.generation.text_stream import Ending, TextStream

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer
    from models.depth import Depth
    from models.layers.kv_cache import KVCache
    from models.recursive_lm import RecursiveLM

__all__ = ["GeneratedToken", "GenerationConfig", "generate"]


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """One token of one prompt."""

    row: int
    """Index of the prompt, from 0."""

    id: int

    text: str
    """Complete characters that became known with this token. It may be empty, or hold characters of
    earlier tokens. The texts of a row joined are its continuation."""

    probability: float
    """The model's probability before temperature and filters, over the allowed tokens."""

    passes: float
    """Recursions used for this token."""

    finished: Ending | None
    """Why the row ends with this token, or None if it continues."""

    alternatives: Alternatives = ()
    """The likeliest tokens at this place with their probabilities, the likeliest first, if asked for."""


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
    first_seed = config.seed if config.seed is not None else torch.Generator().seed() % 2**62
    sampler = _Sampler(tokenizer, config)
    rows = [
        _Row(index, _start(tokenizer, prompt), first_seed + index, tokenizer, config, context_length)
        for index, prompt in enumerate(prompts)
    ]
    for row in rows:
        if not all(0 <= token < model.config.vocab_size for token in row.tokens):
            raise UsageError("The prompt holds a token that is not in the model's vocabulary.")
        row.fit_prompt(context_length)
    if config.halt:
        threshold = model.default_halt if config.halt_threshold is None else config.halt_threshold
        depth = dataclasses.replace(depth, halt=threshold)
    scorer_class = _CachedScorer if use_cache else _UncachedScorer
    cache_length = _cache_length(rows, config, context_length)
    scorer = scorer_class(model, depth, tokenizer.pad_id, context_length, cache_length)
    while rows:
        logits, passes = scorer.next_logits(rows)  # (B, V), (B,)
        for i, row in enumerate(rows):
            token, probability, likeliest = sampler.choose(logits[i], row, alternatives)
            yield row.append(token, probability, float(passes[i]), likeliest)
        active = [i for i, row in enumerate(rows) if not row.finished]
        scorer.select_rows(active, len(rows))
        rows = [rows[i] for i in active]


def _start(tokenizer: Tokenizer, prompt: Sequence[int]) -> list[int]:
    if len(prompt):
        return [int(token) for token in prompt]
    newline = [int(token) for token in tokenizer.encode("\n")]
    return newline if tokenizer.unk_id not in newline else [tokenizer.bos_id]


def _cache_length(rows: Sequence[_Row], config: GenerationConfig, context_length: int) -> int:
    """Tokens the cache must hold: the context length, or less for a short answer."""
    if config.max_tokens is None:
        return context_length
    longest = max((len(row.window) for row in rows), default=0)
    return min(context_length, longest + config.max_tokens)


class _Row:
    """One prompt with the tokens generated after it."""

    def __init__(
        self,
        index: int,
        tokens: list[int],
        seed: int,
        tokenizer: Tokenizer,
        config: GenerationConfig,
        context_length: int,
    ) -> None:
        self.index = index
        self.tokens = tokens
        self.history = History(tokens, context_length, config.no_repeat_ngram)
        self.start = 0  # the model sees tokens[start:]
        self.finished = False
        self.random = torch.Generator().manual_seed(seed % 2**63)
        self._left = config.max_tokens
        self._eos_id = tokenizer.eos_id
        self._stream = TextStream(tokenizer.stream_decoder(), config.stop, config.natural_stop)

    @property
    def window(self) -> list[int]:
        return self.tokens[self.start :]

    def fit_prompt(self, context_length: int) -> None:
        """Cut the start of a prompt that is too long, and leave room for new tokens."""
        if len(self.tokens) > context_length:
            room = min(context_length // 2, self._left or context_length)
            self.start = len(self.tokens) - max(1, context_length - room)

    def slide(self, context_length: int) -> None:
        """If the context has overflowed, continue from its last half.

        This depends on the row alone, so that it happens at the same token in any batch, with and
        without a cache.
        """
        if len(self.tokens) - self.start > context_length:
            self.start = len(self.tokens) - max(1, context_length // 2)

    def append(
        self, token: int, probability: float, passes: float, alternatives: Alternatives
    ) -> GeneratedToken:
        self.tokens.append(token)
        self.history.add(token)
        if self._left is not None:
            self._left -= 1
        ending: Ending | None
        if token == self._eos_id:
            text, ending = self._stream.flush()
            ending = ending or "eos"
        else:
            text, ending = self._stream.push(token)
            if ending is None and self._left == 0:
                rest, ending = self._stream.flush()
                text, ending = text + rest, ending or "length"
        self.finished = ending is not None
        return GeneratedToken(self.index, token, text, probability, passes, ending, alternatives)


def _ids(tokens: list[int]) -> Tensor:
    return torch.tensor(tokens, dtype=torch.int64)


class _Sampler:
    """Choose the next token of a row by the generation settings, on the CPU."""

    def __init__(self, tokenizer: Tokenizer, config: GenerationConfig) -> None:
        self._config = config
        # Training has no example of the other special tokens, and decoding would drop them.
        specials = {*range(len(SPECIAL_TOKENS)), tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id}
        specials |= set(tokenizer.role_ids.values())
        self._forbidden = torch.tensor(sorted(specials - {tokenizer.eos_id}))

    def choose(self, logits: Tensor, row: _Row, alternatives: int) -> tuple[int, float, Alternatives]:
        """The next token from logits (V,), its probability before temperature and filters, and the
        likeliest tokens with theirs."""
        config = self._config
        logits = logits.index_fill(0, self._forbidden, float("-inf"))
        model_probs = logits.softmax(-1)
        likeliest = most_likely(model_probs, alternatives)
        if config.repetition_penalty != 1 or config.no_repeat_ngram:
            logits = repetition_penalty(logits, _ids(row.history.distinct()), config.repetition_penalty)
            logits = exclude(logits, _ids(row.history.completing()))
        if config.temperature == 0:
            # `sample` raises the error for logits that are not finite.
            best = torch.where(torch.isfinite(model_probs).all(), logits.argmax(-1), -1)
            if int(best) < 0:
                sample(model_probs)
            return int(best), float(model_probs[best]), likeliest
        logits = temperature(logits, config.temperature)
        logits = min_p(top_p(top_k(logits, config.top_k), config.top_p), config.min_p)
        token = int(sample(logits.softmax(-1), row.random))
        return token, float(model_probs[token]), likeliest


class _UncachedScorer:
    """Computes every window from its start at each step. Slow; the reference for the cache."""

    def __init__(
        self, model: RecursiveLM, depth: Depth, pad_id: int, context_length: int, cache_length: int
    ) -> None:
        self._model = model
        self._depth = depth
        self._pad_id = pad_id
        self._context_length = context_length
        self._cache_length = cache_length
        self._device = next(model.parameters()).device

    def next_logits(self, rows: Sequence[_Row]) -> tuple[Tensor, Tensor]:
        """Logits (B, V) of the next token of each row, and passes (B,), on the CPU."""
        for row in rows:
            row.slide(self._context_length)
        tokens, padding = self._padded(rows)
        return self._forward(tokens, padding, None)

    def select_rows(self, indices: list[int], n_rows: int) -> None:
        """Keep only the rows at `indices` of the `n_rows` of the last call."""

    def _padded(self, rows: Sequence[_Row]) -> tuple[Tensor, Tensor | None]:
        """Windows as tokens (B, T) padded on the left, and the padding (B,), or None without any."""
        windows = [row.window for row in rows]
        longest = max(map(len, windows))
        padding = [longest - len(window) for window in windows]
        filled = [[self._pad_id] * pad + window for pad, window in zip(padding, windows, strict=True)]
        return (
            torch.tensor(filled, device=self._device),
            torch.tensor(padding, device=self._device) if any(padding) else None,
        )

    @torch.inference_mode()
    def _forward(
        self, tokens: Tensor, padding: Tensor | None, cache: KVCache | None
    ) -> tuple[Tensor, Tensor]:
        output = self._model(tokens, depth=self._depth, cache=cache, padding=padding)
        return output.logits[:, -1].float().cpu(), output.passes[:, -1].float().cpu()


class _CachedScorer(_UncachedScorer):
    """Computes each token once. When a window slides, all windows are computed again."""

    _cache: KVCache | None = None
    _padding: Tensor | None = None

    def next_logits(self, rows: Sequence[_Row]) -> tuple[Tensor, Tensor]:
        if self._cache is None:
            # Inference tensors can be changed in inference mode only.
            with torch.inference_mode():
                self._cache = self._model.new_cache(len(rows), self._cache_length, self._depth)
        # A full window has no padding, so the cache is full whenever a row must slide.
        elif self._cache.length < self._cache_length:
            newest = torch.tensor([[row.tokens[-1]] for row in rows], device=self._device)
            return self._forward(newest, self._padding, self._cache)
        self._cache.reset()
        for row in rows:
            row.slide(self._context_length)
        tokens, self._padding = self._padded(rows)
        return self._forward(tokens, self._padding, self._cache)

    def select_rows(self, indices: list[int], n_rows: int) -> None:
        if len(indices) == n_rows or not indices or self._cache is None:
            return
        selected = torch.tensor(indices, device=self._device)
        with torch.inference_mode():
            self._cache.select(selected)
        if self._padding is not None:
            self._padding = self._padding[selected]
