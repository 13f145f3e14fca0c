"""A text in the model's language, as numbers: its characters, and how they follow each other."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.corpus import open_corpus
from data.errors import UsageError
from data.whole_text import beginning_of

MAX_CHARACTERS = 400_000
"""How much of the text is read. More tells nothing further about a character."""
MIN_CHARACTERS = 4_000
PLACEHOLDERS = "\ue000", "\uf8ff"
"""The first and the last private-use character. They stand for unknown ones; a text's own are dropped."""

_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class ReferenceText:
    """`characters` are the distinct ones by code point; `codes` (N,) is the text as places in them. `notes`
    are sentences on what was assumed of the text."""

    characters: str
    codes: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """(C,): how often each character occurs."""
        return np.bincount(self.codes, minlength=len(self.characters))

    def half(self, start: float) -> "ReferenceText":
        """Half of the text, from the fraction `start` of its length, around its end if need be. All
        characters stay, also those that do not occur in that half."""
        length = len(self.codes)
        return ReferenceText(self.characters, np.roll(self.codes, -round(start * length))[: length // 2])

    def bigrams(self) -> np.ndarray:
        """(C, C): the joint frequency of neighbours."""
        return _bigram_counts(self.codes, len(self.characters)) / max(1, len(self.codes) - 1)

    def unigram_loss(self) -> float:
        """Nats per character of a guess by frequency alone."""
        share = self.counts / len(self.codes)
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    def bigram_loss(self) -> float:
        """Nats per character of a guess from the one before, learned on the first half, measured on the
        second."""
        half, size = len(self.codes) // 2, len(self.characters)
        learned = _bigram_counts(self.codes[:half], size) + _SMOOTHING
        measured = _bigram_counts(self.codes[half:], size)
        log_probs = np.log(learned / learned.sum(axis=1, keepdims=True))
        return float(-(measured * log_probs).sum() / max(1.0, measured.sum()))


def read_reference_text(path: str | Path, encoding: str | None = None) -> ReferenceText:
    """The text at `path`: a file or a folder, as for training.

    Raises UsageError where there is none or it is too short, CorpusError where it is not text.
    """
    corpus = open_corpus([path], () if encoding is None else (encoding,))
    first, last = PLACEHOLDERS
    text = "".join(c for c in beginning_of(corpus, MAX_CHARACTERS) if not first <= c <= last)
    if len(text) < MIN_CHARACTERS:
        raise UsageError(
            f"'{Path(path).name}' is too short to tell characters by: {len(text):,} characters.",
            hint=f"Give a text of the same language with {MIN_CHARACTERS:,} or more; 100,000 is good.",
        )
    return replace(reference_text_of(text), notes=corpus.notes)


def reference_text_of(text: str) -> ReferenceText:
    """A text in memory."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    distinct, codes = np.unique(points, return_inverse=True)
    return ReferenceText("".join(map(chr, distinct)), codes.astype(np.int64))


def _bigram_counts(codes: np.ndarray, size: int) -> np.ndarray:
    counted = np.bincount(codes[:-1] * size + codes[1:], minlength=size * size)
    return counted.reshape(size, size).astype(np.float64)
