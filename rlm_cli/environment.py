"""Environment variables that are not flags: the cache folder and the runs folder."""

import os
from pathlib import Path

from data.cache import cache_dir, set_cache_dir
from data.errors import UsageError


def read_environment() -> None:
    """Set the cache folder from RLM_CACHE_DIR, and silence a warning of the tokenizers library.

    Called once before each command. Raises StorageError if a cache folder is needed and cannot be made.
    """
    set_cache_dir(os.environ.get("RLM_CACHE_DIR"))
    # Without this, the library warns on stderr about a fork after encoding. Our child processes do not
    # encode.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    _replace_unusable_compiler_cache()


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
