"""Changes the mode of the terminal during a chat, and gives the terminal back while rlm is suspended."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_MARK_PASTES, _MARK_NO_PASTES = "\x1b[?2004h", "\x1b[?2004l"


@contextlib.contextmanager
def unechoed_keys(*, mark_pastes: bool = False) -> Iterator[bool]:
    """A context in which the terminal neither shows nor changes typed keys. Gives whether it could.

    Otherwise the terminal turns Enter into Ctrl-J, and the input line reads a new line where the user
    sent a message. With `mark_pastes`, stdout must be the terminal; pasted text then arrives between
    marks. Ctrl-C still interrupts. Ctrl-Z suspends, and the mode is restored meanwhile.
    """
    try:
        import termios
    except ImportError:  # Windows does not change keys
        yield False
        return
    try:
        descriptor = sys.stdin.fileno()
        before, changed = termios.tcgetattr(descriptor), termios.tcgetattr(descriptor)
    except (termios.error, OSError, ValueError, AttributeError):  # no terminal
        yield False
        return
    changed[0] &= ~termios.ICRNL
    changed[3] &= ~(termios.ECHO | termios.ICANON)
    changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0

    def enter(mode: list[Any], marks: str) -> None:
        with contextlib.suppress(termios.error, OSError):  # the window may be closed
            # Draining keeps keys that are already typed.
            termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
            if mark_pastes:
                sys.stdout.write(marks)
                sys.stdout.flush()

    def suspend(stop: Callable[[], None]) -> None:
        mode = termios.tcgetattr(descriptor)  # that of the input line, if one is shown
        enter(before, _MARK_NO_PASTES)
        stop()
        enter(mode, _MARK_PASTES)

    enter(changed, _MARK_PASTES)
    try:
        with _around_suspension(suspend):
            yield True
    finally:
        enter(before, _MARK_NO_PASTES)


@contextlib.contextmanager
def _around_suspension(suspend: Callable[[Callable[[], None]], None]) -> Iterator[None]:
    """A context in which Ctrl-Z calls `suspend`, with the function that stops this process."""

    def handle(number: int, frame: FrameType | None) -> None:
        def stop() -> None:
            if callable(previous):  # an outer context restores its own mode first
                previous(number, frame)
                return
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            signal.signal(number, handle)

        suspend(stop)

    previous = signal.getsignal(signal.SIGTSTP)
    if previous is signal.SIG_IGN:
        yield
        return
    try:
        signal.signal(signal.SIGTSTP, handle)
    except ValueError:  # only the main thread gets signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, previous)
