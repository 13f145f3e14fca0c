"""The processes of one training on this machine: how they are started, and which of them failed.

They learn their numbers from the variables that torchrun sets too, and find each other by a file
(models/processes/placement.py). The standard input of each is a pipe that ends when the process that started
them does, even if that was killed. Works without torch.
"""

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.plain_file import UnreadableFileError, read_plain_file
from models.processes.placement import MEETING_FILE, OTHERS_ENDED

_POLL_S = 0.05
_PATIENCE_S = 10.0
"""For the others to notice that a process ended, before they are killed."""
_LONGEST_REASON = 300  # characters
_LARGEST_FILE = 1 << 20  # bytes of an error


@dataclass(frozen=True, slots=True)
class Failure:
    """Why processes ended that are to go on: one of them failed, and the others cannot go on without it."""

    process: int | None
    """Which one; None where it is not known."""
    reason: str
    """What became of it, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A signal ended the processes: they could not answer it yet."""


class LocalProcesses:
    """So many processes that run `command`. With a context, none of them outlives it."""

    def __init__(self, command: Sequence[str], count: int, inherited: Mapping[str, str]) -> None:
        """Start them with the environment variables `inherited` and some more. Raises OSError."""
        self._folder = tempfile.TemporaryDirectory(prefix="rlm-processes-")
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(count):
                environment = _environment(rank, count, Path(self._folder.name), inherited)
                self._processes.append(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE))
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "LocalProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill those that still run."""
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdin is not None, "it is a pipe"
            process.stdin.close()
        self._folder.cleanup()

    def wait(self, signals: Sequence[int] = ()) -> "int | Failure | Stopped":
        """Wait until they have ended, and pass on each of `signals`, which may grow meanwhile.

        The exit code of process 0 where it ended by itself: it decides, and it has told its error. Else
        Stopped, or the failure after which all are to be started again.
        """
        deadline, passed_on = None, 0
        while None in (codes := [process.poll() for process in self._processes]):
            for number in signals[passed_on:]:
                passed_on += 1
                for process in self._processes:
                    process.send_signal(number)
            if deadline is None and (codes[0] is not None or any(codes)):
                deadline = time.monotonic() + _PATIENCE_S
            if deadline is not None and time.monotonic() > deadline:
                break  # the others wait for something that does not come
            time.sleep(_POLL_S)
        return self._outcome(codes, signals)

    def _outcome(self, codes: Sequence[int | None], signals: Sequence[int]) -> "int | Failure | Stopped":
        first, errors = codes[0], [_error_in(self._error_file(rank)) for rank in range(len(codes))]
        if first != 0 and not any(errors) and _all_ended_by(signals, codes):
            return Stopped()
        if first is not None and first >= 0 and first != OTHERS_ENDED:
            return first
        for rank, error in enumerate(errors):
            if error is not None:
                return Failure(rank, f"ended with an error: {error.rstrip('.')}")
        for rank, code in enumerate(codes):
            if code not in (None, 0, OTHERS_ENDED):
                return Failure(rank, _reason(code))
        return Failure(None, "ended, and nothing says why")

    def _error_file(self, rank: int) -> Path:
        return _error_file(Path(self._folder.name), rank)


def noted_signals() -> list[int]:
    """A list that gets the signals which ask this process to end, from now on; it does not end by them."""
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:  # Windows has no SIGHUP
            signal.signal(number, note)
    return came


def signal_codes(number: int) -> tuple[int, int]:
    """The exit codes of a process that a signal ended: without, and with a handler of its own."""
    return -number, 128 + number


def _all_ended_by(signals: Sequence[int], codes: Sequence[int | None]) -> bool:
    """Whether one of `signals` ended processes with these exit codes, and nothing else did. Some may wait for
    those that ended."""
    by_signal = {code for number in signals for code in signal_codes(number)}
    return not by_signal.isdisjoint(codes) and by_signal.union({None, 0, OTHERS_ENDED}).issuperset(codes)


def _error_file(folder: Path, rank: int) -> Path:
    return folder / f"{rank}.json"


def _environment(rank: int, count: int, folder: Path, inherited: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of one of the processes, which meet in `folder`. Each has one thread by default."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("TORCHELASTIC_")}
    return {
        "OMP_NUM_THREADS": "1",
        "TORCH_FR_BUFFER_SIZE": "0",  # no record of every exchange, which nobody reads
        **kept,
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(count),
        MEETING_FILE: str(folder / "addresses"),
        "TORCHELASTIC_ERROR_FILE": str(_error_file(folder, rank)),
    }


def _error_in(error_file: Path) -> str | None:
    """The error that a process left there as torch writes it; None where there is none."""
    with suppress(OSError, UnreadableFileError, ValueError, KeyError, TypeError):
        content = json.loads(read_plain_file(error_file, _LARGEST_FILE))
        first_line = str(content["message"]["message"]).strip().partition("\n")[0]
        return first_line[:_LONGEST_REASON]
    return None


def _reason(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
