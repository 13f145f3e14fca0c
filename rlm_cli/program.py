"""The name by which `rlm` was called, for hints that can be typed as they are printed."""

import os
import shlex
import shutil
from collections.abc import Sequence

_name = "rlm"


def program() -> str:
    """The program as the user types it, quoted for a shell."""
    return _name


def set_program(name: str) -> None:
    """Use `name` in every later hint."""
    global _name
    _name = name


def program_as_called(arguments: Sequence[str], python_arguments: Sequence[str]) -> str:
    """The program as it was typed: `rlm`, `.venv/bin/rlm` or `python -m rlm_cli`.

    `arguments` are `sys.argv` and `python_arguments` are `sys.orig_argv`. A program on the PATH is called
    by its name alone.
    """
    script = arguments[0]
    name = os.path.basename(script)
    if name == "__main__.py":
        return shlex.join(python_arguments[: len(python_arguments) - len(arguments) + 1])
    on_path = shutil.which(name)
    if on_path is not None and os.path.abspath(on_path) == os.path.abspath(script):
        return name
    return shlex.quote(script)
