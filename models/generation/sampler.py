"""How the next token of each text is chosen from its logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.errors import RlmError
from data.tokenizer import SPECIAL_TOKENS
from models.generation.row import Choice, Row
from models.generation.sampling import (
    candidates,
    draw,
    exclude,
    most_likely,
    not_finite,
    powers_of,
    repetition_penalty,
)
from models.generation.settings import GenerationConfig
from models.kernels.draw import Drawer, compiled_draw

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer


class Sampler:
    """Chooses the next tokens of rows that have the same settings, on the CPU.

    Compiled code chooses those of all rows at once. Where there is none, NumPy chooses one after another.
    """

    def __init__(self, tokenizer: Tokenizer, config: GenerationConfig) -> None:
        self._config = config
        # Training has no example of the other special tokens, and decoding would drop them.
        specials = {*range(len(SPECIAL_TOKENS)), tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id}
        specials |= set(tokenizer.role_ids.values())
        self._forbidden = np.array(sorted(specials - {tokenizer.eos_id}), np.int64)
        self._changes = config.repetition_penalty != 1 or bool(config.no_repeat_ngram)
        compiled = compiled_draw()
        self._drawer = compiled and Drawer(
            compiled,
            self._forbidden,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            min_p=config.min_p,
        )

    def choose(self, logits: np.ndarray, rows: Sequence[Row]) -> list[Choice | RlmError]:
        """The next token of each row from logits (B, V), or the error for logits that are not finite."""
        if self._drawer is not None:
            return self._drawn(self._drawer, logits, rows)
        choices: list[Choice | RlmError] = []
        for one, row in zip(logits, rows, strict=True):
            try:
                choices.append(self._choose(one, row))
            except RlmError as error:
                choices.append(error)
        return choices

    def _drawn(self, drawer: Drawer, logits: np.ndarray, rows: Sequence[Row]) -> list[Choice | RlmError]:
        """`choose` in compiled code."""
        changed = None
        if self._changes:
            changed = np.stack([self._changed(one, row) for one, row in zip(logits, rows, strict=True)])
        distributions = np.empty(logits.shape, np.float32) if any(row.alternatives for row in rows) else None
        numbers = [row.random.random() if self._config.temperature else 0.0 for row in rows]
        tokens, probabilities = drawer.draw(logits, numbers, changed, distributions)
        choices: list[Choice | RlmError] = list(map(Choice, tokens, probabilities))
        for place, (token, row) in enumerate(zip(tokens, rows, strict=True)):
            if token < 0:
                choices[place] = not_finite()
            elif distributions is not None:
                likeliest = most_likely(distributions[place], row.alternatives)
                choices[place] = Choice(token, probabilities[place], likeliest)
        return choices

    def _choose(self, logits: np.ndarray, row: Row) -> Choice:
        """The next token of one row from logits (V,). Raises RlmError where they are not finite."""
        powers = powers_of(self._allowed(logits))
        probabilities = powers / powers.sum()
        config, changed = self._config, self._changed(logits, row)
        if config.temperature == 0:
            token = int(changed.argmax())
        else:
            sharpened = powers_of(changed, config.temperature)
            tokens = candidates(sharpened, config.top_k, config.top_p, config.min_p)
            token = draw(tokens, row.random.random())
        return Choice(token, float(probabilities[token]), most_likely(probabilities, row.alternatives))

    def _allowed(self, logits: np.ndarray) -> np.ndarray:
        """Logits (V,) without those of tokens that are never drawn."""
        logits = logits.copy()
        logits[self._forbidden] = -np.inf
        return logits

    def _changed(self, logits: np.ndarray, row: Row) -> np.ndarray:
        """The logits (V,) from which the next token is drawn: they depend on the tokens before it."""
        config, logits = self._config, self._allowed(logits)
        with np.errstate(over="ignore"):  # what overflows is no number, or has no chance
            if config.repetition_penalty != 1:
                logits = repetition_penalty(logits, row.history.distinct(), config.repetition_penalty)
            if config.no_repeat_ngram:
                logits = exclude(logits, row.history.completing())
        return logits
