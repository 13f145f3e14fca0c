"""How much of a text is copied from the training text, and which passages."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPAN = 40
"""Characters in a row that count as copied when they stand in the training text too."""
EXCESS = 0.15
"""A model memorises when it copies this much more than held-out text shares with the training text."""
_PASSAGES = 3
_BASE = np.uint64(0x9E3779B97F4A7C15)
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Memorisation:
    """How much was copied. White space of any length counts as one blank."""

    copied_share: float
    """Share of the text's spans of 40 characters that are in the training text, 0 to 1."""
    heldout_share: float
    """The same share of held-out text: what a model that memorises nothing may have."""
    longest: tuple[str, ...]
    """The longest copied passages, longest first."""

    @property
    def memorises(self) -> bool:
        """Whether more is copied than the kind of text explains."""
        return self.copied_share > self.heldout_share + EXCESS


class TrainingSpans:
    """The spans of a training text, ready to be looked up."""

    def __init__(self, training_text: str) -> None:
        hashes = _span_hashes(_plain(training_text))
        hashes.sort()
        self._hashes = hashes

    def share(self, text: str) -> float:
        """Share of the spans of `text` that are in the training text; 0 where it has no span."""
        found = self._found(_plain(text))
        return float(found.mean()) if len(found) else 0.0

    def longest(self, text: str) -> tuple[str, ...]:
        """The longest passages of `text` of which every span is in the training text."""
        plain = _plain(text)
        found = self._found(plain)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], found, [False])).astype(np.int8)))
        passages = {plain[start : end + SPAN - 1] for start, end in edges.reshape(-1, 2)}
        return tuple(sorted(passages, key=lambda passage: (-len(passage), passage))[:_PASSAGES])

    def _found(self, plain: str) -> NDArray[np.bool_]:
        wanted = _span_hashes(plain)
        if not len(self._hashes):
            return np.zeros(len(wanted), dtype=bool)
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        return np.asarray(self._hashes[places] == wanted)


def memorisation(text: str, training_text: str, held_out: str) -> Memorisation:
    """Compare `text` and `held_out` with the training text."""
    spans = TrainingSpans(training_text)
    return Memorisation(spans.share(text), spans.share(held_out), spans.longest(text))


def _plain(text: str) -> str:
    return _WHITE_SPACE.sub(" ", text)


def _span_hashes(text: str) -> NDArray[np.uint64]:
    """A 64-bit hash of each span of `text` (N - 39,): two spans that differ share one by rare chance."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    hashes = np.zeros(max(0, len(codes) - SPAN + 1), dtype=np.uint64)
    for place in range(SPAN):
        # Overflow is meant: the arithmetic is modulo 2^64. The mixing keeps high bits from being lost.
        hashes = (hashes ^ (hashes >> np.uint64(29))) * _BASE + codes[place : place + len(hashes)]
    return hashes
