"""Environment variables: those that are not flags, and those that are misspelt."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.cache import cache_dir, set_cache_dir
from data.errors import UsageError
from data.nearest import nearest
from models.processes.placement import MEETING_FILE

_PREFIX = "RLM_"
_CUTOFF = 0.75
"""The least similarity of a misspelt variable, from 0 to 1."""
_NO_FLAGS = ("RLM_CACHE_DIR", "RLM_HOME", MEETING_FILE)


def read_environment() -> None:
    """Set the cache folder from RLM_CACHE_DIR, and silence a warning of the tokenizers library.

    Called once before each command. Raises StorageError if a cache folder is needed and cannot be made.
    """
    set_cache_dir(os.environ.get("RLM_CACHE_DIR"))
    # Without this, the library warns on stderr about a fork after encoding. Our child processes do not
    # encode.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    _replace_unusable_compiler_cache()


def take_misspelt_variables(command: Any) -> Iterator[tuple[str, str]]:
    """Each variable that no flag of `command` or its commands has, with the one it is most like.

    One that is like none is left alone: other programs, such as a licence manager, have RLM_ variables too. A
    misspelt one is removed, so that the processes which this one starts do not tell it again.
    """
    found = [name for name in os.environ if name.startswith(_PREFIX) and name not in _NO_FLAGS]
    if not found:
        return
    known = {*_NO_FLAGS, *_flag_variables(command)}
    endings = [name.removeprefix(_PREFIX) for name in sorted(known)]
    for name in found:
        if name not in known and (near := nearest(name.removeprefix(_PREFIX), endings, cutoff=_CUTOFF)):
            del os.environ[name]
            yield name, _PREFIX + near[0]


def _flag_variables(command: Any) -> Iterator[str]:
    """The variables of the flags of a command, and of the commands in it."""
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
    for inner in getattr(command, "commands", {}).values():
        yield from _flag_variables(inner)


def _replace_unusable_compiler_cache() -> None:
    """Compile into the cache folder of rlm where the folder that torch was given cannot be made.

    Otherwise importing a part of torch fails.
    """
    folder = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if not folder:
        return
    try:
        os.makedirs(folder, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_dir() / "compiled")


def runs_dir(explicit: str | Path | None = None) -> Path:
    """The folder of the runs: `explicit`, else RLM_RUNS_DIR, else RLM_HOME/runs, else ./runs.

    Raises UsageError for the home folder of a user that does not exist.
    """
    if explicit:
        return _expand_home(explicit)
    if folder := os.environ.get("RLM_RUNS_DIR"):
        return _expand_home(folder)
    if home := os.environ.get("RLM_HOME"):
        return _expand_home(home) / "runs"
    return Path("runs")


def _expand_home(path: str | Path) -> Path:
    """The path with `~` replaced. Raises UsageError for a user that does not exist."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"There is no home folder for '{path}'.", hint="Give the path of the folder."
        ) from error
