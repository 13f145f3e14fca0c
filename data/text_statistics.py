"""Counts and a hash of text that comes in pieces."""

import hashlib

import numpy as np

_COUNTED_TOGETHER = 2**20
"""Characters that are collected before they are counted."""


class TextStatistics:
    """Characters, bytes, character counts and a hash of text that comes in pieces; the text is not kept."""

    def __init__(self) -> None:
        self.characters = 0
        self.bytes = 0
        """In UTF-8, whatever the file's own encoding."""
        self._hash = hashlib.sha256()
        self._counts = np.zeros(128, dtype=np.int64)
        self._waiting: list[str] = []
        self._waiting_characters = 0

    def add(self, text: str, frame: str = "") -> None:
        """Count a text. `frame` is hashed and not counted: it tells where a part begins and what it is, so
        that the same text in other parts has another hash."""
        encoded = text.encode()
        self._hash.update(frame.encode())
        self._hash.update(encoded)
        self.characters += len(text)
        self.bytes += len(encoded)
        self._waiting.append(text)
        self._waiting_characters += len(text)
        if self._waiting_characters >= _COUNTED_TOGETHER:
            self._count()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def character_counts(self) -> np.ndarray:
        """int64: how often each code point occurred, up to the highest that did (127 at least)."""
        self._count()
        return self._counts

    def _count(self) -> None:
        text = "".join(self._waiting)
        self._waiting, self._waiting_characters = [], 0
        codes = np.frombuffer(text.encode("ascii"), np.uint8) if text.isascii() else _code_points(text)
        found = np.bincount(codes)
        if len(found) > len(self._counts):
            self._counts = np.concatenate(
                (self._counts, np.zeros(len(found) - len(self._counts), dtype=np.int64))
            )
        self._counts[: len(found)] += found


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.intp)
