"""Tokens in, text out, with an eye on where the text should end. Torch-free."""

import re
from typing import Literal, Protocol

Ending = Literal["stop", "eos", "natural", "length"]

_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]+[\"'\u201d\u2019\u00bb)\]*_]*(?=\s)|\n(?=\n)")
_ABBREVIATION = re.compile(r"(?<!\w)(?:Mr|Mrs|Ms|Dr|St|Prof|No|vs|etc|[A-HJ-Z])\.$")
_MEMORY = 64  # released characters kept to judge what comes next


class Decoder(Protocol):
    """What a tokenizer's stream decoder offers."""

    def push(self, token: int, /) -> str: ...

    def flush(self) -> str: ...


class TextStream:
    """The text of one row.

    Text that might be the beginning of a stop string is held back until it is known not to be,
    so a stop string never shows, however its characters fall on tokens. A natural end is a
    sentence end followed by white space, after at least one letter or digit.
    """

    def __init__(self, decoder: Decoder, stop: tuple[str, ...] = (), natural: bool = False) -> None:
        self._decoder = decoder
        self._stop = stop
        self._natural = natural
        self._released = ""  # the last few characters given out
        self._held = ""
        self._has_words = False

    def push(self, token: int) -> tuple[str, Ending | None]:
        """The text this token releases, and why the text ends here if it does."""
        return self._take(self._decoder.push(token))

    def flush(self) -> tuple[str, Ending | None]:
        """What was still held back, once no more tokens come."""
        text, ending = self._take(self._decoder.flush())
        if ending is None:
            text += self._release(len(self._held))
        return text, ending

    def _take(self, text: str) -> tuple[str, Ending | None]:
        self._held += text
        cuts: list[tuple[int, Ending]] = []
        found = [at for at in (self._held.find(stop) for stop in self._stop) if at >= 0]
        if found:
            cuts.append((min(found), "stop"))
        if self._natural and (end := self._sentence_end()) is not None:
            cuts.append((end, "natural"))
        if cuts:
            cut, ending = min(cuts)
            released = self._release(cut)
            self._held = ""
            return released, ending
        return self._release(len(self._held) - self._possible_stop()), None

    def _release(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        self._released = (self._released + text)[-_MEMORY:]
        self._has_words = self._has_words or any(map(str.isalnum, text))
        return text

    def _possible_stop(self) -> int:
        """Length of the longest end of the held text that some stop string begins with."""
        longest = min(len(self._held), max(map(len, self._stop), default=1) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0

    def _sentence_end(self) -> int | None:
        """Where in the held text its first sentence ends, white space excluded."""
        text, known = self._released + self._held, len(self._released)
        for match in _SENTENCE_END.finditer(text):
            if match.end() < known:  # what follows it was there before: judged then
                continue
            title = match.group() == "\n"
            if not title and _ABBREVIATION.search(text[: match.end()]):
                continue
            end = max(0, (match.start() if title else match.end()) - known)
            if self._has_words or any(map(str.isalnum, self._held[:end])):
                return end
        return None
