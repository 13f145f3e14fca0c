"""The JSON values in a text: one after another or in arrays, each on one line or on several.

A text of gigabytes may be one array on one line, so values are taken from a buffer as it fills. After a
broken value, reading goes on at the next line that may begin another one.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BLOCK = 2**16
_CUT_SHORT = 12
"""An error in so many last characters may come from the end of the buffer: -Infinity and \\u1234 are cut."""
_BETWEEN = re.compile(r"[\s,]*")
_BLANKS = re.compile(r"[^\S\n]*")


@dataclass(frozen=True, slots=True)
class Broken:
    """What stands in the place of a value that cannot be read."""

    reason: str


def json_values(pieces: Iterable[str], limit: int) -> Iterator[tuple[int, object]]:
    """The values of a text, each with the line it begins on, counted from 1.

    A value that is not JSON or is longer than `limit` characters is Broken. `pieces` are cut anywhere.
    """
    return _Values(pieces, limit).read()


def may_be_cut(error: json.JSONDecodeError) -> bool:
    """Whether an error may come from the end of what was read, and not from the value."""
    return "Unterminated" in error.msg or error.pos >= len(error.doc) - _CUT_SHORT


class _Values:
    def __init__(self, pieces: Iterable[str], limit: int) -> None:
        self._blocks = _blocks(pieces)
        self._limit = limit
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        """The place in the buffer up to which all is read."""
        self._is_last = False
        """Whether the end of the buffer is the end of the text."""
        self._line = 1
        self._indent = 0
        """Of the line that was reached."""
        self._is_indent = True
        """Whether only blanks were read on that line."""
        self._in_array = False

    def read(self) -> Iterator[tuple[int, object]]:
        while self._go_to_value():
            line = self._line
            value = self._value()
            yield line, value
            if isinstance(value, Broken):
                self._skip_broken()

    def _value(self) -> object:
        """The value that begins at the place reached, and goes past it unless it is Broken."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._is_last or not may_be_cut(error):
                    return Broken("not JSON")
                if len(self._buffer) - self._at > self._limit:
                    return self._too_long()
                self._fill(2 * (len(self._buffer) - self._at))  # so that a long value is not tried too often
            except (RecursionError, ValueError):  # a ValueError is a number of more digits than Python reads
                return Broken("not JSON")
            else:
                if end - self._at > self._limit:
                    return self._too_long()
                self._advance(end)
                self._is_indent = False
                return value

    def _too_long(self) -> Broken:
        return Broken(f"longer than {self._limit >> 20} million characters")

    def _go_to_value(self) -> bool:
        """Whether there is another value. Goes to it, past blanks, commas and the brackets of an array."""
        while True:
            match = _BETWEEN.match(self._buffer, self._at)
            assert match is not None
            self._advance(match.end())
            if self._at == len(self._buffer):
                if self._is_last:
                    return False
                self._fill(1)
            elif self._buffer[self._at] == "]" or (self._buffer[self._at] == "[" and not self._in_array):
                self._in_array = self._buffer[self._at] == "["
                self._advance(self._at + 1)
            else:
                return True

    def _skip_broken(self) -> None:
        """Go to the next line that may begin a value: not one further in, and not the end of an object."""
        indent = self._indent
        while True:
            end = self._buffer.find("\n", self._at)
            self._advance(len(self._buffer) if end < 0 else end)
            if end < 0:
                if self._is_last:
                    return
                self._fill(1)
                continue
            blanks = _BLANKS.match(self._buffer, self._at + 1)
            assert blanks is not None
            first = self._buffer[blanks.end() : blanks.end() + 1]
            if not first and not self._is_last:
                self._fill(2 * (len(self._buffer) - self._at))
                continue
            self._advance(blanks.end())
            if first not in ("\n", "}") and len(blanks[0]) <= indent:
                return

    def _advance(self, place: int) -> None:
        """Go on to a place in the buffer, counting lines."""
        if lines := self._buffer.count("\n", self._at, place):
            self._line += lines
            self._indent, self._is_indent = 0, True
            self._at = self._buffer.rindex("\n", self._at, place) + 1
        if self._is_indent:
            blanks = _BLANKS.match(self._buffer, self._at, place)
            assert blanks is not None
            self._indent += blanks.end() - self._at
            self._is_indent = blanks.end() == place
        self._at = place

    def _fill(self, characters: int) -> None:
        """Drop what is read, and read on until that many characters are waiting, or to the end."""
        held = [self._buffer[self._at :]]
        waiting = len(held[0])
        wanted = max(characters, waiting + 1)
        for block in self._blocks:
            held.append(block)
            waiting += len(block)
            if waiting >= wanted:
                break
        else:
            self._is_last = True
        self._buffer, self._at = "".join(held), 0


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces in parts of bounded length: an error costs a search through all of the buffer."""
    for piece in pieces:
        for start in range(0, len(piece), _BLOCK):
            yield piece[start : start + _BLOCK]
