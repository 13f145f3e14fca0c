"""The JSON values in a text: one after another or in arrays, each on one line or on several.

A text of gigabytes may be one array on one line, so values are taken from a buffer as it fills. After a
broken value, reading goes on at the next line that may begin another one, or on the same line where several
values stand on it.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BLOCK = 2**16
_CUT_SHORT = 12
"""An error in so many last characters may come from the end of the buffer: -Infinity and \\u1234 are cut."""
_LONGEST_OPENING = 256
"""Characters from the comma before an object to the colon after its first key."""
_BETWEEN = re.compile(r"[\s,\ufeff]*")  # joined files have byte order marks between values
_BLANKS = re.compile(r"(?:[^\S\n]|\ufeff)*")
_FIRST_KEY = re.compile(r'\{\s*"([^"\\\n]{1,100})"\s*:')


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
        self._first_key: str | None = None
        """Of the latest object."""

    def read(self) -> Iterator[tuple[int, object]]:
        while self._go_to_value():
            line = self._line
            value = self._value()
            if isinstance(value, dict):
                self._first_key = next(iter(value), None)
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
        return Broken(f"longer than {self._limit // 10**6} million characters")

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
            elif self._buffer[self._at] == "]" or (self._buffer[self._at] == "[" and self._may_begin_array()):
                self._in_array = self._buffer[self._at] == "["
                self._advance(self._at + 1)
            else:
                return True

    def _may_begin_array(self) -> bool:
        """Whether a bracket here begins an array: an earlier one may have lost its end."""
        return not self._in_array or (self._is_indent and self._indent == 0)

    def _skip_broken(self) -> None:
        """Go to the next object on the line where there may be more than one, else to the next line that may
        begin a value: not one further in, and not the end of an object."""
        indent = self._indent
        next_object = self._next_object() if self._in_array or not self._is_indent else None
        while True:
            end = self._buffer.find("\n", self._at)
            line_end = len(self._buffer) if end < 0 else end
            if next_object and (found := next_object.search(self._buffer, self._at, line_end)):
                self._advance(found.start())
                return
            if end < 0:
                if self._is_last:
                    self._advance(line_end)
                    return
                self._advance(max(self._at, line_end - _LONGEST_OPENING))
                self._fill(1)
                continue
            self._advance(end)
            next_object = None
            blanks = _BLANKS.match(self._buffer, self._at + 1)
            assert blanks is not None
            first = self._buffer[blanks.end() : blanks.end() + 1]
            if not first and not self._is_last:
                self._fill(2 * (len(self._buffer) - self._at))
                continue
            self._advance(blanks.end())
            if first not in ("\n", "}") and _width(blanks[0]) <= indent:
                return

    def _next_object(self) -> re.Pattern[str]:
        """What an object on the rest of the line begins with. One that is within the broken value begins as a
        rule with another key than this value and the one before it."""
        begins = _FIRST_KEY.match(self._buffer, self._at)
        keys = {re.escape(key) for key in (self._first_key, begins and begins[1]) if key}
        key = f'(?:{"|".join(sorted(keys))})"\\s*:' if keys else ""
        return re.compile(r',\s*\{\s*"' + key)

    def _advance(self, place: int) -> None:
        """Go on to a place in the buffer, counting lines."""
        if lines := self._buffer.count("\n", self._at, place):
            self._line += lines
            self._indent, self._is_indent = 0, True
            self._at = self._buffer.rindex("\n", self._at, place) + 1
        if self._is_indent:
            blanks = _BLANKS.match(self._buffer, self._at, place)
            assert blanks is not None
            self._indent += _width(blanks[0])
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


def _width(blanks: str) -> int:
    return len(blanks) - blanks.count("\ufeff")


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces in parts of bounded length: an error costs a search through all of the buffer."""
    for piece in pieces:
        for start in range(0, len(piece), _BLOCK):
            yield piece[start : start + _BLOCK]
