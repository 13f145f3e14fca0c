"""Starting `rlm` as a process that goes on when its terminal and the process that started it end.

Whether a run is trained, and whether its trainer lives, is what the run's lock says: `Run.is_busy`.
"""

import contextlib
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from data.plain_file import open_to_append
from data.storage import storing

_START = """import runpy, sys
sys.path[:] = {!r}
runpy.run_module("rlm_cli", run_name="__main__", alter_sys=True)"""
_started: dict[int, "subprocess.Popen[bytes]"] = {}


def start_detached(
    arguments: Sequence[str], log: Path, inherited: Collection[int] = (), *, is_attached: bool = False
) -> int:
    """Start `rlm` with `arguments` in a session of its own, and return its process id.

    It reads nothing, and what it prints is added to the file `log`. With `is_attached`, its standard input is
    a pipe that ends when this process does. It finds the packages that this process
    found, and runs in the same folder. It has the open files `inherited` too, under the same numbers. Raises
    StorageError where it cannot be started.
    """
    with storing("the output of the detached process"), open_to_append(log) as output:
        child = subprocess.Popen(
            rlm_command(arguments),
            stdin=subprocess.PIPE if is_attached else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
    _started[child.pid] = child
    return child.pid


def start_attached(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start `rlm` with `arguments` to be written to and read from: what it prints and its errors come through
    one pipe. A Ctrl-C in the terminal does not reach it. Raises StorageError where it cannot be started."""
    with storing("the process"):
        return subprocess.Popen(
            rlm_command(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process: int) -> None:
    """End a process of `start_detached`, and all that it started, as they stand."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(process)
        first.suspend()  # it starts no others meanwhile
        started = first.children(recursive=True)
        for one in (first, *started):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def interrupt(process: int) -> None:
    """Ask a process of `start_detached` to end: a training pauses. Nothing where it has ended."""
    _started[process].terminate()


def exit_code(process: int) -> int | None:
    """How a process of `start_detached` ended, negative for a signal; None while it lives.

    A process that stays open for long calls it now and then, so that no ended one remains in the system.
    """
    return _started[process].poll()


def rlm_command(arguments: Sequence[str]) -> list[str]:
    """The command that runs `rlm` with the packages that this process found."""
    # -P: a folder called data or models in the folder of the user is not imported.
    return [sys.executable, "-P", "-c", _START.format([path for path in sys.path if path]), *arguments]
