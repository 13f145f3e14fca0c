"""How good a text is, by comparison with held-out text of the same kind: five scores from 0 to 100.

docs/metrics.md has the formulas, and what known texts score.
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
"""The most characters of a reference that are counted."""
_LEAST_WINDOWS, _MOST_WINDOWS = 3, 16
LEAST_HELD_OUT = _LEAST_WINDOWS * LEAST_CHARACTERS
"""Characters of held-out text that say what such text scores."""
_SPREAD = 2.5
"""Standard deviations below the mean of held-out stretches at which a text still scores 100."""
_FOREIGN = 0.5
"""A text is in another script if the reference lacks this share of its letters."""


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
    """The mean of the first four scores times the diversity: a passage that is repeated counts once."""
    trigram_cosine: float
    """Cosine between the counts of three characters in a row in the text and in the reference, 0 to 1."""
    characters: int
    """Of the text."""


class Reference:
    """What a text is compared with.

    `learned` is counted: the words, the order of words, what stands near what. `held_out` is of the same
    kind and not part of it, and says which statistics score 100. Without it, the last fifth of `learned` is
    held out. Raises UsageError where either is too short.
    """

    def __init__(self, learned: str, held_out: str | None = None) -> None:
        if held_out is None:
            cut = len(learned) * 4 // 5
            learned, held_out = learned[:cut], learned[cut:]
        if len(held_out) < LEAST_HELD_OUT:
            raise UsageError(
                f"The reference is too short to compare with: {len(held_out):,} characters are held out.",
                hint=f"Give a reference of at least {5 * LEAST_HELD_OUT:,} characters.",
            )
        _require_words(learned, "reference")
        self._language = Language(learned[:LEARNED])
        self._held_out = held_out
        self._scales: dict[tuple[str, int], tuple[float, float]] = {}
        self._trigrams = _trigrams(learned[:LEARNED])

    def quality(self, text: str) -> Quality:
        """The scores of `text`. Raises UsageError where it is too short or has no words."""
        if len(text) < LEAST_CHARACTERS:
            raise UsageError(
                f"The text has {len(text):,} characters; that is too short to judge.",
                hint=f"Give at least {LEAST_CHARACTERS:,}, better 3,000 or more.",
            )
        _require_words(text, "text")
        if self._language.unknown_letters(text) > _FOREIGN:
            raise UsageError(
                "The text and the reference share hardly a letter, so nothing can be said.",
                hint="Give a reference in the language of the text.",
            )
        letters = self._score("character_coherence", text)
        words = self._score("word_formation", text)
        # A sentence is made of words, and so is meaning: neither is better than the words are.
        order = self._score("sentence_structure", text, words.value)
        meaning = self._score("semantic_meaning", text, words.value)
        diversity = self._score("token_diversity", text)
        overall = (letters.value + words.value + order.value + meaning.value) / 4 * diversity.value / 100
        scores = (letters, words, order, meaning, diversity)
        return Quality(scores, overall, _cosine(_trigrams(text), self._trigrams), len(text))

    def _score(self, name: str, text: str, most: float = 100.0) -> Score:
        """The mean statistic of windows of `text`, on a scale from noise to held-out text; at most `most`."""
        if name == "semantic_meaning":
            size = min(LONG_WINDOW, len(text), len(self._held_out))
        else:
            size = min(WINDOW, len(text), len(self._held_out) // _LEAST_WINDOWS)
        if (name, size) not in self._scales:
            self._scales[name, size] = self._scale(name, size)
        full, empty = self._scales[name, size]
        found = float(np.mean([self._statistic(name, window) for window in _windows(text, size)]))
        value = 100 * (found - empty) / (full - empty) if full > empty else 0.0
        return Score(name, min(most, max(0.0, value)), found, full, empty)

    def _scale(self, name: str, size: int) -> tuple[float, float]:
        """The statistics from which on the score is 100, and at which it is 0, for windows of `size`."""
        windows = _windows(self._held_out, size)
        held_out = [self._statistic(name, window) for window in windows]
        if name == "semantic_meaning":  # 0 for words in a random order by definition
            return 0.5 * float(np.mean(held_out)), 0.0
        full = float(np.mean(held_out) - _SPREAD * np.std(held_out))
        if name == "token_diversity":
            return full, 0.0
        noise = _shuffled_words if name == "sentence_structure" else _shuffled_characters
        return full, float(np.mean([self._statistic(name, window) for window in noise(windows)]))

    def _statistic(self, name: str, window: str) -> float:
        language = self._language
        statistics: dict[str, Callable[[str], float]] = {
            "character_coherence": lambda text: -language.character_bits(text),
            "word_formation": language.known_share,
            "sentence_structure": lambda text: -language.order_bits(text),
            "semantic_meaning": language.cohesion,
            "token_diversity": distinct_share,
        }
        return statistics[name](window)


def _require_words(text: str, what: str) -> None:
    if not any(map(str.isalpha, text)):
        raise UsageError(f"The {what} has no words.", hint="Give prose in any language.")


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


def _trigrams(text: str) -> Counter[str]:
    return Counter(text[start : start + 3] for start in range(len(text) - 2))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    product = sum(count * other[gram] for gram, count in one.items())
    lengths = math.sqrt(sum(count**2 for count in one.values()) * sum(count**2 for count in other.values()))
    return product / lengths if lengths else 0.0
