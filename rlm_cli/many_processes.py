"""A training in several processes of this machine. It is shown and controlled as if it ran in this one."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from data.errors import RlmError
from models.runs import events
from models.runs.control_requests import Request, request
from models.runs.detached import exit_code, interrupt, kill
from models.runs.detached_output import OUTPUT_FILE, last_error, printed
from models.runs.events import Event
from models.runs.follow import Follower
from rlm_cli.exit_codes import ExitCode
from rlm_cli.interrupts import end_process
from rlm_cli.output import Output
from rlm_cli.training_session import show_training
from rlm_cli.watching import log_stop, report_end, start_training, unlogged_end, wait_until_idle

if TYPE_CHECKING:
    from models.runs.run import Run

_POLL_S = 0.1
_PATIENCE_S = 10.0
_KILLED = -9
_ENDS = (events.RunPaused, events.RunFailed, events.RunFinished)


class RemoteControl:
    """Passes what the user wants on to the processes that train `run`."""

    def __init__(self, run: "Run") -> None:
        self.interrupted = False
        self.process: int | None = None
        """The process that starts the others; None until it is there."""
        self._run = run
        self._pauses = False

    def start(self, start: Callable[[], int]) -> int:
        """Start the process that starts the others, and return its id. A pause that was wanted meanwhile is
        passed on to it."""
        self.process = start()
        if self._pauses:
            self.pause()
        return self.process

    def pause(self) -> None:
        """By a signal where there are signals, since the training looks for requests only once it is open."""
        self._pauses = True
        if self.process is None:
            return
        if hasattr(os, "fork") and exit_code(self.process) is None:
            interrupt(self.process)
        else:
            self._request("pause")

    def stop(self) -> None:
        self._request("stop")

    def go_on(self) -> None:
        self.interrupted = False

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # the training goes on while its user is asked

    def _request(self, kind: Request) -> None:
        with contextlib.suppress(RlmError):  # the training has ended meanwhile
            request(self._run, kind)


def train_in_processes(
    run: "Run", processes: int, output: Output, began_at: float | None = None, *, shard: bool = False
) -> ExitCode:
    """Train `run` in so many processes until it ends or pauses, and show it. Ctrl-C asks what to do.

    With `shard`, they divide the model among them. `began_at` is as in `follow_training`. Raises RunError
    where the training ended without a word.
    """
    follower, log = Follower(run.path), run.path / OUTPUT_FILE
    follower.poll()
    printed_before, earlier = len(printed(log)), follower.history.ended
    control = RemoteControl(run)

    def start() -> int:
        return start_training(run, began_at, processes, shard=shard, is_attached=True)

    def end() -> None:
        if control.process is not None:
            kill(control.process)
        end_process()

    # Started where signals are answered already.
    stream = _events(run, follower, lambda: control.start(start))
    _, paused_code = show_training(stream, control, output, end)
    process = control.process
    assert process is not None, "else it would have raised"
    _wait_for(process)
    wait_until_idle(run)
    follower.poll()
    log_stop(run, follower, earlier, exit_code(process))
    ended = follower.history.ended
    if ended is None or ended is earlier:
        output.error(last_error(printed(log)[printed_before:]) or unlogged_end(run))
        code = exit_code(process)
        return ExitCode.FAILED if not code or code < 0 else ExitCode(code)
    if isinstance(ended, events.RunPaused) and exit_code(process) == _KILLED:
        output.warn("The process that starts the others was killed, so the training paused.")
    code = report_end(run, follower.history, output)
    return paused_code if isinstance(ended, events.RunPaused) else code


def _wait_for(process: int) -> None:
    """Let the process that starts the others end after them."""
    deadline = time.monotonic() + _PATIENCE_S
    while exit_code(process) is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _events(run: "Run", follower: Follower, start: Callable[[], int]) -> Iterator[Event | None]:
    """The events of a training by the processes that `start` starts until its end, and None whenever there is
    no new one."""
    process, progress = start(), None
    while True:
        # Before the log is read, so that all of it is. Where that process was killed, the others pause.
        is_running = exit_code(process) is None or run.is_busy()
        for event in follower.every_event():
            yield event
            if isinstance(event, _ENDS):
                return
        if follower.history.progress not in (None, progress):
            progress = follower.history.progress
            yield progress
        if not is_running:
            return
        yield None
        time.sleep(_POLL_S)
