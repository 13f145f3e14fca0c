"""Folders that a kill left behind before they were runs: made and locked, but without a config.json."""

import contextlib
import os
from pathlib import Path

from models.runs.lock import LOCK_FILE, PID_FILE
from data.storage import TEMPORARY_PREFIX, remove_entry

NURSERY = f"{TEMPORARY_PREFIX}expansion"
"""Where a run that was grown out of another is filled; its config.json is the last to leave it."""
_WRITTEN_FIRST = ("tokenizer.json", "datasets.json")  # what a new run is given before its config.json


def is_unborn(folder: Path) -> bool:
    """Whether `folder` was begun as a run and holds nothing that anyone could miss.

    An empty folder, and one without our lock, are somebody's own.
    """
    try:
        names = {entry.name for entry in os.scandir(folder)}
    except OSError:
        return False
    if NURSERY in names and "config.json" not in names:
        return LOCK_FILE in names
    ours = {LOCK_FILE, PID_FILE, *_WRITTEN_FIRST}
    return LOCK_FILE in names and all(name in ours or name.startswith(TEMPORARY_PREFIX) for name in names)


def clear_unborn(folder: Path) -> None:
    """Take out what a kill left in an unborn folder, its lock excepted. The caller holds that lock."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name not in (LOCK_FILE, PID_FILE):
                remove_entry(Path(entry.path))
