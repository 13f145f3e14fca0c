"""A text in the model's language, as numbers: which characters it has, and how they follow each other."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.corpus import open_corpus
from data.errors import UsageError

MOST_CHARACTERS = 400_000
"""Of the reference, what is read: no letter needs more."""
LEAST_CHARACTERS = 4_000
PLACEHOLDERS = "\ue000", "\uf8ff"
"""The private-use characters: a text's own have no meaning that could be recovered."""

_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Reference:
    """`characters` are the distinct ones by code point; `codes` (N,) the text as places in it."""

    characters: str
    codes: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """(C,) how often each character occurs."""
        return np.bincount(self.codes, minlength=len(self.characters))

    def half(self, start: float) -> "Reference":
        """Half of the text from `start` of its length on, going on at the beginning; all characters
        stay, whether they occur in it or not."""
        length = len(self.codes)
        return Reference(self.characters, np.roll(self.codes, -round(start * length))[: length // 2])

    def pairs(self) -> np.ndarray:
        """(C, C) joint frequency of neighbours."""
        return _pairs(self.codes, len(self.characters)) / max(1, len(self.codes) - 1)

    def single_loss(self) -> float:
        """Nats per character of a guess by frequency alone."""
        share = self.counts / len(self.codes)
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    def pair_loss(self) -> float:
        """Nats per character of a guess by the one before: learned on one half, judged on the other."""
        half, size = len(self.codes) // 2, len(self.characters)
        learned = _pairs(self.codes[:half], size) + _SMOOTHING
        judged = _pairs(self.codes[half:], size)
        likely = np.log(learned / learned.sum(axis=1, keepdims=True))
        return float(-(judged * likely).sum() / max(1.0, judged.sum()))


def read_reference(path: str | Path) -> Reference:
    """The text at `path`: a file or a folder, as for training.

    Raises UsageError for one that is not there or too short, CorpusError for what is no text.
    """
    corpus = open_corpus([path])
    pieces: list[str] = []
    length = 0
    for _, document in corpus.split_documents():
        for piece in document.pieces or [message.content for message in document.messages or ()]:
            pieces.append(piece)
            length += len(piece)
        if length >= MOST_CHARACTERS:
            break
    first, last = PLACEHOLDERS
    text = "".join(c for c in "".join(pieces)[:MOST_CHARACTERS] if not first <= c <= last)
    if len(text) < LEAST_CHARACTERS:
        raise UsageError(
            f"'{Path(path).name}' is too short to tell characters by: {len(text):,} characters.",
            hint=f"Give a text of the same language with {LEAST_CHARACTERS:,} or more; 100,000 is good.",
        )
    return reference_of(text)


def reference_of(text: str) -> Reference:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    distinct, codes = np.unique(points, return_inverse=True)
    return Reference("".join(map(chr, distinct)), codes.astype(np.int64))


def _pairs(codes: np.ndarray, size: int) -> np.ndarray:
    counted = np.bincount(codes[:-1] * size + codes[1:], minlength=size * size)
    return counted.reshape(size, size).astype(np.float64)
