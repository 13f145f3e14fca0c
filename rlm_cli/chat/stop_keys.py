"""Reads keys during an answer: Esc or Ctrl-C stops it, other text is kept for the next line."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

_ESCAPE = b"\x1b"


@contextlib.contextmanager
def hold_keys_for_prompt() -> Iterator[None]:
    """A context in which the terminal neither shows nor changes typed keys.

    Otherwise the terminal turns Enter into Ctrl-J, and the input line reads a new line where the user
    sent a message.
    """
    try:
        import termios
    except ImportError:  # Windows does not change keys
        yield
        return
    try:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        changed = termios.tcgetattr(descriptor)
        changed[0] &= ~termios.ICRNL
        changed[3] &= ~termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSANOW, changed)
    except (termios.error, OSError, ValueError, AttributeError):  # no terminal
        yield
        return
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class StopKeys:
    """A context in which `pressed()` tells whether the user wants to stop the answer.

    Esc stops it if standard input is a POSIX terminal; escape sequences such as arrow keys do not. The
    first Ctrl-C stops it and a second raises KeyboardInterrupt. `typed_text` collects other text with
    its line ends. Leaving the context restores the terminal and the signal handler.
    """

    def __init__(self) -> None:
        self.typed_text = ""
        self.interrupted = False
        """Whether Ctrl-C was pressed."""
        self._pressed = False
        self._handler_before: Any = None
        self._restore_terminal: Callable[[], None] | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # only the main thread gets signals
            self._handler_before = signal.signal(signal.SIGINT, self._interrupt)
        self._watch_terminal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._read_keys()
        if self._restore_terminal is not None:
            self._restore_terminal()
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

    def _watch_terminal(self) -> None:
        """Switch the terminal to single keys without echo, if there is one."""
        if sys.stdin is None or not sys.stdin.isatty():
            return
        try:
            import termios
            import tty
        except ImportError:  # Windows: Ctrl-C alone
            return
        descriptor = sys.stdin.fileno()
        try:
            before = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor, termios.TCSADRAIN)  # drain keeps keys that are already typed
        except termios.error:
            return
        self._descriptor = descriptor
        self._restore_terminal = lambda: termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def _read_keys(self) -> None:
        if self._restore_terminal is None:
            return
        while select.select([self._descriptor], [], [], 0)[0]:
            keys = os.read(self._descriptor, 1024)
            if not keys:
                return
            if keys == _ESCAPE:
                self._pressed = True
            elif not keys.startswith(_ESCAPE):
                text = keys.decode("utf-8", "replace")
                text = text.replace("\r", "\n")
                self.typed_text += "".join(c for c in text if c.isprintable() or c == "\n")
