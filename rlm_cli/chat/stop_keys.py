"""Keys while no input line reads them: Esc or Ctrl-C to stop an answer, and Enter in between."""

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
def keys_kept_for_prompt() -> Iterator[None]:
    """While entered, what is typed before the input line reads is neither shown nor changed.

    A terminal would turn Enter into the Ctrl-J it resembles, and a message sent early would be
    taken for a new line.
    """
    try:
        import termios
    except ImportError:  # Windows has no such translation
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
    """While entered, `pressed()` tells whether the reader wants the answer to end.

    The first Ctrl-C counts as pressed, a second raises KeyboardInterrupt. Esc counts where
    standard input is a POSIX terminal; a sequence such as an arrow key does not. What else is
    typed meanwhile is kept in `typed`, line ends included. The terminal and the signal handler
    are put back on leaving.
    """

    def __init__(self) -> None:
        self.typed = ""
        self.interrupted = False
        """Whether it was Ctrl-C."""
        self._pressed = False
        self._handler_before: Any = None
        self._restore_terminal: Callable[[], None] | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # not the main thread: then nobody sends it a signal
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
        """Whether to stop. Cheap enough to be asked after every token."""
        self._read_keys()
        return self._pressed

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = self.interrupted = True

    def _watch_terminal(self) -> None:
        """Have keys arrive one by one and unseen, where there is a terminal that can."""
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
            tty.setcbreak(descriptor, termios.TCSADRAIN)  # drain: nothing typed ahead is lost
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
                self.typed += "".join(c for c in text if c.isprintable() or c == "\n")
