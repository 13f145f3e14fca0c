"""Starts trainings as processes of their own, which go on when the application is closed."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data.safe_text import safe_text
from models.runs.detached import exit_code, start_detached

_LONGEST_OUTPUT = 20_000  # bytes
_POLL_S = 0.1


class Launch:
    """A command of rlm in a process that no terminal and no parent ends. Raises StorageError."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._output, name = tempfile.mkstemp(prefix="rlm-")
        try:
            self.process = start_detached(arguments, Path(name))
        finally:
            with contextlib.suppress(OSError):  # what has it open still reads and writes it
                os.unlink(name)

    def refusal(self, wait_s: float, is_left: Callable[[], bool] = lambda: False) -> str | None:
        """Why the process ended with an error. None where it did not, within `wait_s` seconds or until
        `is_left()`."""
        ends = time.monotonic() + wait_s
        while (code := exit_code(self.process)) is None and time.monotonic() < ends and not is_left():
            time.sleep(_POLL_S)
        if not code:
            return None
        return self.output().removeprefix("error: ") or f"It ended with exit code {code}."

    def output(self) -> str:
        """What the process printed so far, made safe: its beginning, where it is much."""
        return safe_text(os.pread(self._output, _LONGEST_OUTPUT, 0).decode("utf-8", "replace")).strip()

    def stop(self) -> None:
        """End the process, if it has not ended."""
        if exit_code(self.process) is None:
            with contextlib.suppress(OSError):
                os.kill(self.process, signal.SIGTERM)

    def close(self) -> None:
        """Let go of what the process printed. It goes on."""
        os.close(self._output)


def resume_arguments(run: Path) -> list[str]:
    """The command that goes on with a run. It ends as soon as the training is at work."""
    return ["resume", str(run), "--detach", "--quiet"]
