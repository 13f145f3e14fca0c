"""Reads keys during an answer: Esc or Ctrl-C stops it, other keys are kept for the next input line."""

import contextlib
import select
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from rlm_cli.chat.terminal_mode import unechoed_keys

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPress

_ESCAPE_S = 0.1
"""A key such as an arrow begins with Esc. If nothing follows for this time, Esc itself was pressed."""

_MAX_READS = 256  # of 1 KiB each, so that endless input cannot keep an answer waiting


class StopKeys:
    """A context in which `pressed()` tells whether the user wants to stop the answer.

    Esc stops it if standard input is a POSIX terminal. The first Ctrl-C stops it and a second raises
    KeyboardInterrupt. `typed` collects the other keys, read by the parser of the input line. Leaving
    the context restores the terminal and the signal handler.
    """

    def __init__(self) -> None:
        self.typed: list[KeyPress] = []
        self.interrupted = False
        """Whether Ctrl-C was pressed."""
        self._pressed = False
        self._handler_before: Any = None
        self._context = contextlib.ExitStack()
        self._input: Input | None = None
        self._last_read = 0.0

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # only the main thread gets signals
            self._handler_before = signal.signal(signal.SIGINT, self._interrupt)
        if sys.stdin is not None and sys.stdin.isatty() and self._context.enter_context(unechoed_keys()):
            from prompt_toolkit.application.current import get_app_session

            # The input line uses the same object, so a key or a paste may end after the answer.
            self._input = get_app_session().input
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._read_keys(at_end=True)
        self._context.close()
        if self._handler_before is not None:
            signal.signal(signal.SIGINT, self._handler_before)

    def pressed(self) -> bool:
        """Whether to stop. Fast enough to be called after every token."""
        self._read_keys()
        return self._pressed

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = self.interrupted = True

    def _read_keys(self, *, at_end: bool = False) -> None:
        source = self._input
        if source is None:
            return
        keys = []
        for _ in range(_MAX_READS):
            if source.closed or not select.select([source.fileno()], [], [], 0)[0]:
                break
            keys += source.read_keys()
            self._last_read = time.monotonic()
        if at_end or time.monotonic() - self._last_read > _ESCAPE_S:
            keys += source.flush_keys()
        self._sort(keys)

    def _sort(self, keys: "list[KeyPress]") -> None:
        """Stop at Esc and keep the other keys. Esc with a following key is Alt with that key."""
        from prompt_toolkit.keys import Keys

        for place, press in enumerate(keys):
            following = keys[place + 1].key if place + 1 < len(keys) else Keys.Escape
            if press.key == following == Keys.Escape:
                self._pressed = True
            else:
                self.typed.append(press)
