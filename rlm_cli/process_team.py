"""Several processes of one training, as torchrun or rlm starts them. Process 0 runs the command, and the
others work for it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import typer

from data.errors import StorageError
from models.errors import ProcessLostError
from models.processes.placement import placement
from rlm_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from types import FrameType

    from models.processes.group import ProcessGroup
    from models.training.team import Team


@contextmanager
def process_team(*, shard: bool = False) -> Iterator["Team | None"]:
    """The other processes of this training, or None where this one trains alone. With `shard`, they divide
    the model among them.

    In another process than the first, this is all that it does: it works until the first one ends, and exits.
    """
    place = placement(os.environ)
    if place is None:
        yield None
        return
    with ExitStack() as until_training:
        until_training.enter_context(_ending_at_once())
        if place.meeting_file:
            end_with_starter()
        from models.processes.group import ProcessGroup
        from models.training.team import Team

        group = ProcessGroup.join(place)
        if not place.meeting_file:
            until_training.close()  # else this process is only there to train
        if place.rank > 0:
            raise typer.Exit(_work(group))
        try:
            with Team(group, shard=shard) as team:
                yield team
        except typer.Exit:
            group.leave()
            raise
        group.leave()


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """A signal ends the process at once. Connecting waits where no handler of Python's can run, and nothing
    is open yet."""
    heard = [number for number in _end_signals() if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_signals() -> list[int]:
    """Those that ask a process to end. Windows has no SIGHUP."""
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def end_with_starter() -> None:
    """From now on, this process gets a SIGTERM when the one that started it ends. Its standard input is a
    pipe, whose other end nobody else has."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def _work(group: "ProcessGroup") -> ExitCode:
    """Serve process 0. A signal to this process is passed on to it as the wish for a pause."""
    from models.training.worker import Worker

    signals: list[int] = []

    def note(number: int, frame: "FrameType | None") -> None:
        signals.append(number)

    for number in _end_signals():
        signal.signal(number, note)
    try:
        Worker(group, was_interrupted=lambda: bool(signals)).work()
    except ProcessLostError:
        return ExitCode.PROCESS_LOST  # process 0 says why, or it is gone
    except StorageError as error:
        _leave_word(error)
        return ExitCode.OK  # too little memory for a model in parts: process 0 tells it, if it has no more
    except Exception as error:
        _leave_word(error)
        raise
    group.leave()
    return ExitCode.OK


def _leave_word(error: Exception) -> None:
    """Write why this process ends where those who started it look: torchrun, or rlm."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    get_error_handler().record_exception(error)
