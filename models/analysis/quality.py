"""How good a text is, by comparison with held-out text of the same kind: five scores from 0 to 100.

docs/metrics.md has the formulas with examples.
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.errors import UsageError
from models.analysis.text_statistics import Language, distinct_share
from models.analysis.words import tokens_of

LEAST_CHARACTERS = 500
"""A shorter text says nothing about the order of its words."""
WINDOW = 3000
"""Characters that are looked at together. All statistics depend on the length of a text, so a text is
compared with stretches of the reference of the same length."""
LONG_WINDOW = 12_000
"""The same for the meaning, which needs room for a text to change its subject."""
LEARNED = 600_000
"""At most so many characters of a reference are counted."""
_LEAST_WINDOWS, _MOST_WINDOWS = 3, 16


@dataclass(frozen=True, slots=True)
class Score:
    """One score."""

    name: str
    value: float
    """From 0, like noise, to 100, like held-out text."""
    statistic: float
    full: float
    """The statistic from which on the score is 100."""
    empty: float
    """The statistic at which the score is 0."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The scores of a text."""

    scores: tuple[Score, ...]
    overall: float
    """Geometric mean of the scores: one that is low cannot be made up for."""
    trigram_cosine: float
    """Cosine between the counts of three characters in a row in the text and in the reference, 0 to 1."""
    characters: int
    """Of the text."""


class Reference:
    """What a text is compared with.

    `learned` is counted: the words, the order of words, what stands near what. `held_out` is of the same
    kind and not part of it: its scores are 100 by definition. Without it, the last fifth of `learned` is
    held out. Raises UsageError where either is too short.
    """

    def __init__(self, learned: str, held_out: str | None = None) -> None:
        if held_out is None:
            cut = len(learned) * 4 // 5
            learned, held_out = learned[:cut], learned[cut:]
        if len(held_out) < _LEAST_WINDOWS * LEAST_CHARACTERS:
            raise UsageError(
                f"The reference is too short to compare with: {len(held_out):,} characters are held out.",
                hint=f"Give a reference of at least {5 * _LEAST_WINDOWS * LEAST_CHARACTERS:,} characters.",
            )
        self._language = Language(learned[:LEARNED])
        self._held_out = held_out
        self._trigrams = _trigrams(learned[:LEARNED])

    def quality(self, text: str) -> Quality:
        """The scores of `text`. Raises UsageError where it is too short or has no words."""
        if len(text) < LEAST_CHARACTERS:
            raise UsageError(
                f"The text has {len(text):,} characters; that is too short to judge.",
                hint=f"Give at least {LEAST_CHARACTERS:,}, better 3,000 or more.",
            )
        size = min(WINDOW, len(text), len(self._held_out) // _LEAST_WINDOWS)
        theirs, ours = _windows(self._held_out, size), _windows(text, size)
        long = min(LONG_WINDOW, len(text), len(self._held_out))
        long_theirs, long_ours = _windows(self._held_out, long), _windows(text, long)
        language = self._language
        letters = self._score("character_coherence", lambda t: -language.character_bits(t), theirs, ours)
        words = self._score("word_formation", language.known_share, theirs, ours)
        # A sentence is made of words, and so is meaning: neither is better than the words are.
        order = self._score("sentence_structure", lambda t: -language.order_bits(t), theirs, ours, words.value)
        meaning = self._score("semantic_meaning", language.cohesion, long_theirs, long_ours, words.value)
        diversity = self._score("token_diversity", distinct_share, theirs, ours)
        scores = (letters, words, order, meaning, diversity)
        overall = math.prod(score.value for score in scores) ** (1 / len(scores))
        return Quality(scores, overall, _cosine(_trigrams(text), self._trigrams), len(text))

    def _score(
        self, name: str, statistic: Callable[[str], float], theirs: list[str], ours: list[str], most: float = 100.0
    ) -> Score:
        """The mean statistic of `ours`, on a scale from noise to `theirs`; at most `most`."""
        found, held_out = _mean(statistic, ours), [statistic(window) for window in theirs]
        if name == "semantic_meaning":  # noise is 0 by definition; stretches of a text differ a lot
            full, empty = 0.5 * float(np.mean(held_out)), 0.0
        else:
            full = float(np.mean(held_out) - 3 * np.std(held_out))
            empty = 0.0 if name == "token_diversity" else _mean(statistic, _NOISE[name](theirs))
        value = 100 * (found - empty) / (full - empty) if full > empty else 0.0
        return Score(name, min(most, max(0.0, value)), found, full, empty)


def _mean(statistic: Callable[[str], float], windows: list[str]) -> float:
    return float(np.mean([statistic(window) for window in windows]))


def _windows(text: str, size: int) -> list[str]:
    """Stretches of `size` characters, spread evenly over the text: side by side, at most so many."""
    count = min(_MOST_WINDOWS, max(1, round(len(text) / size)))
    starts = np.linspace(0, len(text) - size, count).astype(int)
    return [text[start : start + size] for start in starts]


def _shuffled_characters(windows: list[str]) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.sample(window, len(window))) for window in windows]


def _shuffled_words(windows: list[str]) -> list[str]:
    draw = random.Random(0)
    return [" ".join(draw.sample(tokens, len(tokens))) for tokens in map(tokens_of, windows)]


_NOISE = {
    "character_coherence": _shuffled_characters,
    "word_formation": _shuffled_characters,
    "sentence_structure": _shuffled_words,
}
"""What has a score of 0, by name."""


def _trigrams(text: str) -> Counter[str]:
    return Counter(text[start : start + 3] for start in range(len(text) - 2))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    product = sum(count * other[gram] for gram, count in one.items())
    lengths = math.sqrt(sum(count**2 for count in one.values()) * sum(count**2 for count in other.values()))
    return product / lengths if lengths else 0.0
