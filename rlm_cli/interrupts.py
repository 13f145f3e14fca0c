"""Turns Ctrl-C and other signals into requests to the trainer."""

import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output


class Interruptible(Protocol):
    """A training that a user can interrupt (models/training/control.py, rlm_cli/many_processes.py)."""

    interrupted: bool

    def pause(self) -> None:
        """Save and end."""

    def stop(self) -> None:
        """End with the best weights so far."""

    def go_on(self) -> None:
        """Withdraw an interrupt."""

    def waiting(self) -> AbstractContextManager[None]:
        """The time while the user is asked, which does not count where the training waits for the answer."""


@contextmanager
def no_lost_signal() -> Iterator[None]:
    """Let a signal to end wait until the end of the context.

    Importing torch loses an exception that is raised in a part which ignores exceptions, and fails in ways of
    its own where one is raised in another part.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    answered = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in answered:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in answered.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


GRACE_S = 1.5
"""Seconds after a second Ctrl-C in which a training can still save."""


def end_process() -> None:
    """End the process as it stands. What was saved before is intact, and the system frees the run's lock."""
    show_cursor = b"\x1b[?25h" if sys.stderr.isatty() else b""
    os.write(2, show_cursor + b"\nStopped at once. The run stands at its last checkpoint.\n")
    os._exit(ExitCode.PAUSED)


class _SecondPress:
    """A thread that calls `end` GRACE_S seconds after a second Ctrl-C.

    Python calls a signal handler between two operations of the main thread, and a compiler or a large
    matrix product can be one operation for long. The byte that each signal writes to a file comes at once.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self.presses = 0
        self.paused = False
        """While the user is asked, Ctrl-C answers the question and is not counted."""
        self._end = end

    def start(self) -> None:
        """Begin to count. Call it in the main thread."""
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._previous = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; `end` is not called any more."""
        signal.set_wakeup_fd(self._previous)
        self._sender.close()
        self._thread.join()
        self._receiver.close()

    def _count(self) -> None:
        deadline = math.inf
        try:
            while number := self._receiver.recv(1):
                if number[0] == signal.SIGINT and not self.paused:
                    self.presses += 1
                if self.presses >= 2:
                    deadline = min(deadline, time.monotonic() + GRACE_S)  # a third press moves it no further
                    self._receiver.settimeout(max(0.001, deadline - time.monotonic()))
        except TimeoutError:
            self._end()


class Choice(Enum):
    """The answers to the menu."""

    PAUSE = "1"
    STOP = "2"
    GO_ON = "3"


class Interrupts:
    """A context in which signals change `control` instead of ending the program.

    The first Ctrl-C sets `control.interrupted`; after the next event, `decide` asks the user. A second
    Ctrl-C pauses at once, and so do SIGTERM and SIGHUP. Where the training does not get to pausing, as in
    the compiler or in a step that takes long, the second Ctrl-C calls `end` after GRACE_S seconds.
    `exit_code` is the exit code of a pause. A signal that was ignored before, as in a background job or
    under nohup, stays ignored.
    """

    def __init__(self, control: Interruptible, end: Callable[[], None] | None = None) -> None:
        self._second_press = _SecondPress(end or end_process)
        self.exit_code = ExitCode.PAUSED
        self.terminal_closed = False
        self.pending = False
        """Whether `decide` must be called."""
        self._control = control
        self._presses = 0
        self._in_menu = False
        self._previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._second_press.start()
        self._handle(signal.SIGTERM, self._terminate)
        hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
        for number, handler in ((signal.SIGINT, self._interrupt), (hang_up, self._hang_up)):
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._handle(number, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
        self._second_press.stop()

    def decide(self, ask: Callable[[], Choice]) -> None:
        """Ask the user and pass the choice to the trainer. Call it between two events."""
        self._in_menu = self._second_press.paused = True
        try:
            choice = ask()
        except KeyboardInterrupt:
            choice = Choice.PAUSE
        finally:
            self._in_menu = self._second_press.paused = False
        self.pending = False
        self._control.interrupted = False
        if choice is Choice.GO_ON:
            self._presses = self._second_press.presses = 0
            self._control.go_on()
        elif choice is Choice.STOP:
            self._control.stop()
        else:
            self._control.pause()

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._previous_handlers[number] = signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._in_menu:
            raise KeyboardInterrupt
        self._presses += 1
        if self._presses == 1:
            self.pending = self._control.interrupted = True
        else:
            self._pause_at_once()

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = ExitCode.TERMINATED
        self._pause_at_once()

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self.terminal_closed = True
        self._pause_at_once()

    def _pause_at_once(self) -> None:
        self.pending = False
        self._control.pause()
        if self._in_menu:
            raise KeyboardInterrupt  # leaves the menu; `decide` pauses


def ask_on_terminal(output: Output) -> Choice:
    """Show the menu and read the choice. The end of input means pause."""
    question = "\n  1  p  pause and save\n  2  s  stop with the best weights\n  3  c  continue\n1, 2 or 3?"
    while True:
        answer = output.ask(question)
        if answer is None:
            return Choice.PAUSE
        if answer.lower() in _CHOICES:
            return _CHOICES[answer.lower()]
        question = "1, 2 or 3?"


_CHOICES = {
    **{choice.value: choice for choice in Choice},
    **dict.fromkeys(("p", "pause"), Choice.PAUSE),
    **dict.fromkeys(("s", "stop"), Choice.STOP),
    **dict.fromkeys(("c", "continue"), Choice.GO_ON),
}
