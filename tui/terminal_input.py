"""The input of the terminal before Textual reads it: a paste presses no key, and no byte is an error.

Textual 8 takes what follows an escape character for keys, also within a paste, so a text from elsewhere could
delete a run. It fails where a byte is no UTF-8.
"""

import codecs
import sys
from collections.abc import Iterable
from functools import partial

from textual.driver import Driver
from textual.message import Message

_START, _END = "\x1b[200~", "\x1b[201~"
"""What a terminal sends before and after a paste."""
_ESCAPE_PICTURE = "\N{SYMBOL FOR ESCAPE}"


class PasteGuard:
    """Replaces the escape characters within pastes by their picture. Takes the input in any pieces."""

    def __init__(self) -> None:
        self._in_paste = False
        self._before = ""
        """The last characters outside of a paste, which may begin one."""
        self._held = ""
        """The last characters of a paste, which may be the beginning of its end."""

    def take(self, data: str) -> str:
        """The next piece, as it may be read."""
        data, self._held = self._held + data, ""
        parts: list[str] = []
        while data:
            part, data = self._inside(data) if self._in_paste else self._outside(data)
            parts.append(part)
        return "".join(parts)

    def _outside(self, data: str) -> tuple[str, str]:
        seen = self._before + data
        start = seen.find(_START)
        if start < 0:
            self._before = seen[-len(_START) + 1 :]
            return data, ""
        cut = start + len(_START) - len(self._before)
        self._before, self._in_paste = "", True
        return data[:cut], data[cut:]

    def _inside(self, data: str) -> tuple[str, str]:
        pasted, end, rest = data.partition(_END)
        if not end:
            kept = next((n for n in range(len(_END) - 1, 0, -1) if pasted.endswith(_END[:n])), 0)
            pasted, self._held = pasted[: len(pasted) - kept], pasted[len(pasted) - kept :]
        self._in_paste = not end
        return pasted.replace("\x1b", _ESCAPE_PICTURE) + end, rest


def guard_input(driver: type[Driver]) -> None:
    """Let a driver of Textual read its input through `PasteGuard`, and show bytes that are no UTF-8."""
    module = sys.modules[driver.__module__]
    parser = getattr(module, "XTermParser", None)
    if parser is not None and parser.__name__ != "GuardedParser":

        class GuardedParser(parser):  # type: ignore[misc,valid-type]
            """The parser of Textual behind a guard."""

            def __init__(self, debug: bool = False) -> None:
                self._guard = PasteGuard()
                super().__init__(debug)

            def feed(self, data: str) -> Iterable[Message]:
                taken = self._guard.take(data)
                return super().feed(taken) if taken or not data else ()

        module.XTermParser = GuardedParser  # type: ignore[attr-defined]
    if hasattr(module, "getincrementaldecoder"):
        module.getincrementaldecoder = _decoder  # type: ignore[attr-defined]


def _decoder(encoding: str) -> "partial[codecs.IncrementalDecoder]":
    return partial(codecs.getincrementaldecoder(encoding), errors="replace")
