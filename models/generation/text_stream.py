"""Turn a stream of tokens into text, and find where the text ends. Torch-free."""

import re
from typing import Literal, Protocol

Ending = Literal["stop", "eos", "natural", "length"]

_SPACED_MARKS = ".!?\u2026\u061f\u06d4\u0964\u0965\u0589\u1362\u17d4\u104b"
"""Sentence ends before white space: Latin, Arabic, Urdu, Hindi, Armenian, Amharic, Khmer, Burmese."""
_MARKS = "\u3002\uff01\uff1f\uff61"
"""Sentence ends of Chinese and Japanese, which need no white space."""
_CLOSING = "\"'\u201d\u2019\u00bb)\\]*_\u300d\u300f\uff09\u3011\u300b\u3009\u3015\uff63"
_SENTENCE_END = re.compile(
    rf"[{_SPACED_MARKS}{_MARKS}]+[{_CLOSING}]*(?=\s)"
    rf"|[{_MARKS}][{_SPACED_MARKS}{_MARKS}]*[{_CLOSING}]*(?=[^{_SPACED_MARKS}{_MARKS}{_CLOSING}])"
    r"|\n(?=\n)"
)
_ABBREVIATION = re.compile(r"(?<!\w)(?:Mr|Mrs|Ms|Dr|St|Prof|No|vs|etc|[A-HJ-Z])\.$")
_LOOKBACK = 64  # characters before the pending text that decide on a sentence end


class Decoder(Protocol):
    """The stream decoder of a tokenizer."""

    def push(self, token: int, /) -> str: ...

    def flush(self) -> str: ...


class TextStream:
    """The text of one row.

    Text that may be the start of a stop string is delayed until more is known. So no part of a stop
    string is shown, even if several tokens make it up. A natural end is a sentence end after at least
    one letter or digit; white space follows it in most scripts.
    """

    def __init__(self, decoder: Decoder, stop: tuple[str, ...] = (), natural: bool = False) -> None:
        self._decoder = decoder
        self._stop = stop
        self._natural = natural
        self._recent = ""  # the last characters returned
        self._pending = ""
        self._has_words = False

    @property
    def held(self) -> int:
        """The number of characters that may begin a stop string and are not returned yet."""
        return len(self._pending)

    def push(self, token: int) -> tuple[str, Ending | None]:
        """The text that became known with this token, and why the text ends here, or None."""
        return self._add(self._decoder.push(token))

    def flush(self) -> tuple[str, Ending | None]:
        """The rest of the text after the last token."""
        text, ending = self._add(self._decoder.flush())
        if ending is None:
            text += self._release(len(self._pending))
        return text, ending

    def _add(self, text: str) -> tuple[str, Ending | None]:
        if not self._stop and not self._natural:
            return text, None
        self._pending += text
        cuts: list[tuple[int, Ending]] = []
        found = [at for at in (self._pending.find(stop) for stop in self._stop) if at >= 0]
        if found:
            cuts.append((min(found), "stop"))
        if self._natural and (end := self._sentence_end()) is not None:
            cuts.append((end, "natural"))
        if cuts:
            cut, ending = min(cuts)
            released = self._release(cut)
            self._pending = ""
            return released, ending
        return self._release(len(self._pending) - self._possible_stop()), None

    def _release(self, count: int) -> str:
        text, self._pending = self._pending[:count], self._pending[count:]
        self._recent = (self._recent + text)[-_LOOKBACK:]
        self._has_words = self._has_words or any(map(str.isalnum, text))
        return text

    def _possible_stop(self) -> int:
        """Length of the longest end of the pending text that starts a stop string."""
        longest = min(len(self._pending), max(map(len, self._stop), default=1) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(self._pending[-length:]) for stop in self._stop):
                return length
        return 0

    def _sentence_end(self) -> int | None:
        """Where the first sentence ends in the pending text, without white space."""
        text, known = self._recent + self._pending, len(self._recent)
        for match in _SENTENCE_END.finditer(text):
            if match.end() < known:  # an earlier call has checked it
                continue
            title = match.group() == "\n"
            if not title and _ABBREVIATION.search(text[: match.end()]):
                continue
            end = max(0, (match.start() if title else match.end()) - known)
            if self._has_words or any(map(str.isalnum, self._pending[:end])):
                return end
        return None
