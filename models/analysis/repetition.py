"""How much a text repeats itself."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from models.analysis.words import tokens_of

_LOOP = re.compile(r"(.{1,200}?)\1{2,}", re.DOTALL)
_READ = 100_000
"""Characters that are searched for loops and for the longest repeat."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """What repeats in a text."""

    looping_share: float
    """Share of the characters in passages that stand three times or more in a row, 0 to 1."""
    longest_repeat: str
    """The longest passage that stands in the text twice."""
    distinct: tuple[float, float, float]
    """Share of different ones among its words and marks, their pairs and their triples (distinct-n of
    Li et al., "A Diversity-Promoting Objective Function", 2016)."""
    compression: float
    """Bytes of the text compressed by zlib, per byte; a text that repeats itself has little."""


def repetition(text: str) -> Repetition:
    """What repeats in `text`."""
    read = text[:_READ]
    looping = sum(len(found[0]) for found in _LOOP.finditer(read) if found[1].strip())
    content = text.encode("utf-8", "surrogatepass")
    return Repetition(
        looping_share=looping / max(1, len(read)),
        longest_repeat=_longest_repeat(read),
        distinct=distinct_shares(tokens_of(text)),
        compression=len(zlib.compress(content, 9)) / max(1, len(content)),
    )


def distinct_shares(tokens: Sequence[str]) -> tuple[float, float, float]:
    """Share of different ones among single tokens, pairs and triples of neighbours; 0 without any."""
    shares = []
    for length in (1, 2, 3):
        grams = list(zip(*(tokens[start:] for start in range(length)), strict=False))
        shares.append(len(set(grams)) / len(grams) if grams else 0.0)
    return shares[0], shares[1], shares[2]


def _longest_repeat(text: str) -> str:
    """By bisection: where a passage repeats, so do all of its parts."""
    best, low, high = "", 1, len(text) - 1
    while low <= high:
        length = (low + high) // 2
        found = _repeat_of(text, length)
        if found is None:
            high = length - 1
        else:
            best, low = found, length + 1
    return best


def _repeat_of(text: str, length: int) -> str | None:
    seen: set[int] = set()
    for start in range(len(text) - length + 1):
        passage = text[start : start + length]
        key = hash(passage)
        if key in seen and text.find(passage) < start:
            return passage
        seen.add(key)
    return None
