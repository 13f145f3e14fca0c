"""What rlm reads from the environment besides the values of flags, and hands to the core."""

import os
from pathlib import Path

from data.cache import set_cache_dir


def read_environment() -> None:
    """Prepare this process: the cache folder of RLM_CACHE_DIR, and no warning of the tokenizers library.

    Called once for each command, before any of it runs.
    """
    set_cache_dir(os.environ.get("RLM_CACHE_DIR"))
    # The library warns on stderr when a process that has encoded forks, unless this is set; no child of
    # ours encodes.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def runs_dir(explicit: str | Path | None = None) -> Path:
    """The folder of the runs: `explicit`, else RLM_RUNS_DIR, else RLM_HOME/runs, else ./runs."""
    if explicit:
        return Path(explicit).expanduser()
    if named := os.environ.get("RLM_RUNS_DIR"):
        return Path(named).expanduser()
    if home := os.environ.get("RLM_HOME"):
        return Path(home).expanduser() / "runs"
    return Path("runs")
