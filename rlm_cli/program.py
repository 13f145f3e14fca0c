"""The name by which `rlm` was called and the folder of runs that was typed, for hints that can be typed as
they are printed; and when the process started."""

import os
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

_name = "rlm"
_runs_dir: Path | None = None
_started: float | None = None


def note_start() -> None:
    """Note that the process starts now."""
    global _started
    _started = time.monotonic()


def seconds_since_start() -> float:
    """Seconds since the start of the process; 0 where another program called `rlm` in its own process."""
    return 0.0 if _started is None else time.monotonic() - _started


def program() -> str:
    """The program as the user types it, quoted for a shell."""
    return _name


def set_program(name: str) -> None:
    """Use `name` in every later hint."""
    global _name
    _name = name


def runs_dir_flag() -> str:
    """` --runs-dir FOLDER`, quoted for a shell, where the command has no other way to find the runs."""
    return "" if _runs_dir is None else f" --runs-dir {shlex.quote(str(_runs_dir))}"


def set_runs_dir(folder: Path | None) -> None:
    """Use `folder` in every later hint. None where a command finds the runs without a flag."""
    global _runs_dir
    _runs_dir = folder


def program_as_called(arguments: Sequence[str], python_arguments: Sequence[str]) -> str:
    """The program as it was typed: `rlm`, `.venv/bin/rlm` or `python -m rlm_cli`.

    `arguments` are `sys.argv` and `python_arguments` are `sys.orig_argv`. A program on the PATH is called
    by its name alone.
    """
    script = arguments[0]
    name = os.path.basename(script)
    if name == "__main__.py":
        command = python_arguments[: len(python_arguments) - len(arguments) + 1]
        return "rlm" if "-c" in command else shlex.join(command)  # -c: another process of rlm started it
    on_path = shutil.which(name)
    if on_path is not None and os.path.abspath(on_path) == os.path.abspath(script):
        return name
    return shlex.quote(script)
