"""What rlm reads from the environment besides the values of flags, and hands to the core."""

import os
from pathlib import Path

from data.cache import set_cache_dir
from data.errors import UsageError


def read_environment() -> None:
    """Prepare this process: the cache folder of RLM_CACHE_DIR, and no warning of the tokenizers library.

    Called once for each command, before any of it runs.
    """
    set_cache_dir(os.environ.get("RLM_CACHE_DIR"))
    # The library warns on stderr when a process that has encoded forks, unless this is set; no child of
    # ours encodes.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def runs_dir(explicit: str | Path | None = None) -> Path:
    """The folder of the runs: `explicit`, else RLM_RUNS_DIR, else RLM_HOME/runs, else ./runs.

    Raises UsageError for the home folder of a user that does not exist.
    """
    if explicit:
        return _in_home(explicit)
    if named := os.environ.get("RLM_RUNS_DIR"):
        return _in_home(named)
    if home := os.environ.get("RLM_HOME"):
        return _in_home(home) / "runs"
    return Path("runs")


def _in_home(path: str | Path) -> Path:
    """The path with `~` replaced. Raises UsageError for a user that does not exist."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"There is no home folder for '{path}'.", hint="Give the folder's own path."
        ) from error
