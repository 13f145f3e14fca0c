"""The filters that compare a text with those before it: the same, and nearly the same.

What is remembered of a text is a hash of 16 bytes, or 14 of 8 bytes for what is nearly the same: some 0.15
and 1.3 kB of memory for each text that is kept.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from data.filters.filter import take_no_value
from data.permutation import GOLDEN_GAMMA, splitmix64

_BANDS, _ROWS = 14, 8
_RUN = 12
"""Characters of one shingle."""
_TOGETHER = 128
"""Shingles that are hashed at once."""
_SPACES = re.compile(r"[\W_]+")


class _KnownTexts(ABC):
    """Drops a text of which a hash is known. Those that are kept are known in their order, so that the last
    ones can be forgotten."""

    name: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, shortest: int = 1) -> None:
        """Texts of fewer than `shortest` characters are kept."""
        self._shortest = shortest
        self._known: dict[bytes | int, None] = {}
        self._judged: tuple[bytes | int, ...] = ()

    @abstractmethod
    def hashes(self, text: str) -> Iterable[bytes | int]:
        """What two texts share that are taken for the same."""

    def drops(self, text: str) -> bool:
        self._judged = () if len(text.strip()) < self._shortest else tuple(self.hashes(text))
        return any(one in self._known for one in self._judged)

    def remember(self, text: str) -> None:
        self._known.update(dict.fromkeys(self._judged))

    def size(self) -> int:
        return len(self._known)

    def forget(self, size: int) -> None:
        while len(self._known) > size:
            self._known.popitem()


class Duplicates(_KnownTexts):
    """Drops a text that is the same as an earlier one, but for the white space around it."""

    name = "duplicates"
    sentence = "that have come before"

    def hashes(self, text: str) -> Iterable[bytes | int]:
        return (_hash_of(text.strip()),)


class NearDuplicates(_KnownTexts):
    """Drops a text that is nearly an earlier one: MinHash with bands (Broder 1997; Indyk and Motwani 1998).

    Texts are compared by their runs of 12 characters, without case, punctuation and white space. Of two that
    share 80 % of their runs 92 % are found, of two that share half 5 % (14 bands of 8 rows).
    """

    name = "near-duplicates"
    sentence = "that are nearly the same as an earlier one"

    def hashes(self, text: str) -> Iterable[bytes | int]:
        return _bands_of(text)


def duplicates_filter(value: str | None, shortest: int) -> Duplicates:
    take_no_value(Duplicates.name, value)
    return Duplicates(shortest)


def near_duplicates_filter(value: str | None, shortest: int) -> NearDuplicates:
    take_no_value(NearDuplicates.name, value)
    return NearDuplicates(shortest)


def _hash_of(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _bands_of(text: str) -> list[int]:
    """(_BANDS,) hashes: two texts that share one are taken for nearly the same. None for a text without
    letters and digits."""
    plain = _SPACES.sub(" ", text.casefold()).strip()
    if not plain:
        return []
    codes = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    hashes = np.correlate(codes, _POWERS[: len(codes)], mode="valid")  # of each run
    # In 32 bits, which a processor multiplies many at a time.
    short = (splitmix64(hashes) >> np.uint64(32)).astype(np.uint32)
    smallest = np.full(_BANDS * _ROWS, 2**32 - 1, dtype=np.uint32)
    for start in range(0, len(short), _TOGETHER):
        permuted = _MULTIPLIERS * short[start : start + _TOGETHER] + _SUMMANDS  # (bands · rows, n)
        smallest = np.minimum(smallest, permuted.min(axis=1))
    rows = (smallest * _ROW_FACTORS).reshape(_BANDS, _ROWS)
    found: list[int] = splitmix64(rows.sum(axis=1) + _BAND_NUMBERS).tolist()
    return found


# Sums of products with odd numbers, modulo 2**64, tell runs and rows apart.
_POWERS = np.array([pow(int(GOLDEN_GAMMA), exponent, 2**64) for exponent in range(_RUN)], dtype=np.uint64)
_BAND_NUMBERS = np.arange(1, _BANDS + 1, dtype=np.uint64) * GOLDEN_GAMMA
_CONSTANTS = splitmix64(np.arange(1, 2 * _BANDS * _ROWS + 1, dtype=np.uint64) * GOLDEN_GAMMA)
_ROW_FACTORS = splitmix64(_CONSTANTS[: _BANDS * _ROWS]) | np.uint64(1)
_MULTIPLIERS, _SUMMANDS = (_CONSTANTS >> np.uint64(32)).astype(np.uint32).reshape(2, -1, 1)
_MULTIPLIERS = _MULTIPLIERS | np.uint32(1)  # odd, so that no two hashes become one
