"""Ctrl-C and the other signals as requests to the trainer, which follows them at its next event."""

import signal
from collections.abc import Callable
from enum import Enum
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output

if TYPE_CHECKING:
    from models.training.control import Control


class Choice(Enum):
    """The answers to the menu."""

    PAUSE = "1"
    STOP = "2"
    GO_ON = "3"


class Interrupts:
    """While entered, signals reach `control` instead of ending the program.

    The first Ctrl-C sets `control.interrupted`, and after the next event `decide` asks what it means.
    The second one pauses at once, as SIGTERM and SIGHUP do. `exit_code` is the exit status for a pause.
    A Ctrl-C or SIGHUP that was ignored before (a script's background job, nohup) stays ignored.
    """

    def __init__(self, control: "Control") -> None:
        self.exit_code = ExitCode.PAUSED
        self.hung_up = False
        self.pending = False
        """An interrupt waits for `decide`."""
        self._control = control
        self._presses = 0
        self._asking = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._handle(signal.SIGTERM, self._terminate)
        hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
        for number, handler in ((signal.SIGINT, self._interrupt), (hang_up, self._hang_up)):
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._handle(number, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def decide(self, ask: Callable[[], Choice]) -> None:
        """Ask what an interrupt means and tell the trainer. To be called between two events."""
        self._asking = True
        try:
            choice = ask()
        except KeyboardInterrupt:
            choice = Choice.PAUSE
        finally:
            self._asking = False
        self.pending = False
        self._control.interrupted = False
        if choice is Choice.GO_ON:
            self._presses = 0
            self._control.go_on()
        elif choice is Choice.STOP:
            self._control.stop()
        else:
            self._control.pause()

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._before[number] = signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._asking:
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
        self.hung_up = True
        self._pause_at_once()

    def _pause_at_once(self) -> None:
        self.pending = False
        self._control.pause()
        if self._asking:
            raise KeyboardInterrupt  # leave the menu: `decide` takes it as pause


def ask_on_terminal(output: Output, run_name: str) -> Choice:
    """The menu. The end of input means pause: nobody is there to choose."""
    question = (
        f"\n  1  pause and save    (go on later: rlm resume {run_name})"
        "\n  2  stop and finish   (with the best weights so far)"
        "\n  3  go on"
        "\n1, 2 or 3?"
    )
    while True:
        answer = output.ask(question)
        if answer is None:
            return Choice.PAUSE
        if answer in (choice.value for choice in Choice):
            return Choice(answer)
        question = "1, 2 or 3?"
