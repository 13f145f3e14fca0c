"""Folders of runs that were never completed: their process was killed before config.json was written."""

import contextlib
import os
from pathlib import Path

from data.storage import TEMPORARY_PREFIX, remove_entry
from models.runs.lock import LOCK_FILE, PID_FILE

STAGING = f"{TEMPORARY_PREFIX}expansion"
"""The folder in which a run made from another is written; config.json is moved out of it last."""
_WRITTEN_FIRST = ("tokenizer.json", "datasets.json")  # files a new run gets before its config.json


def is_incomplete(folder: Path) -> bool:
    """Whether `folder` was begun as a run, or is empty, and holds nothing worth keeping.

    A folder with files and without our lock file belongs to somebody else.
    """
    try:
        names = {entry.name for entry in os.scandir(folder)}
    except OSError:
        return False
    if not names:  # a kill between making the folder and locking it
        return True
    if STAGING in names and "config.json" not in names:
        return LOCK_FILE in names
    ours = {LOCK_FILE, PID_FILE, *_WRITTEN_FIRST}
    return LOCK_FILE in names and all(name in ours or name.startswith(TEMPORARY_PREFIX) for name in names)


def clear_incomplete(folder: Path) -> None:
    """Remove everything but the lock from an incomplete folder. The caller holds that lock."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name not in (LOCK_FILE, PID_FILE):
                remove_entry(Path(entry.path))
