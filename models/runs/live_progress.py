"""What a training is at between two steps, for other processes.

The log keeps no progress. While reading, tokenizing, compiling or an evaluation takes long,
`runs/<name>/control/progress` holds the last event of it as a line of JSON.
"""

import contextlib
import time
from pathlib import Path

from data.errors import StorageError
from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import clear_temporaries, replace_file
from models.runs.control_requests import CONTROL_FOLDER
from models.runs.event_json import to_json
from models.runs.event_log import parse_line
from models.runs.events import Event
from models.runs.lock import folder_identity

PROGRESS_FILE = "progress"
INTERVAL_S = 1.0
_LONGEST = 4096  # bytes


class ProgressFile:
    """The progress of the training in `folder`, written once in INTERVAL_S seconds at most.

    What cannot be written is left out: a training does not depend on it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CONTROL_FOLDER / PROGRESS_FILE
        self._identity = folder_identity(folder)
        self._is_written = False
        self._due_at = time.monotonic() + INTERVAL_S

    def note(self, event: Event) -> None:
        """Take in the next event of the training. A lasting one removes the file."""
        now = time.monotonic()
        if event.lasting:
            self._due_at = now + INTERVAL_S
            if self._is_written:
                self._is_written = False
                _remove(self._path)
        elif now >= self._due_at:
            self._due_at = now + INTERVAL_S
            if folder_identity(self._path.parent.parent) != self._identity:
                return  # it was moved, and another run may be in its place
            with contextlib.suppress(OSError, StorageError):
                self._path.parent.mkdir(exist_ok=True)
                if not self._path.parent.is_symlink():
                    replace_file(self._path, [to_json(event).encode()])
                    self._is_written = True


def read_progress(folder: Path) -> Event | None:
    """What the training in `folder` is at; None where it takes steps, and where nobody wrote it."""
    path = folder / CONTROL_FOLDER / PROGRESS_FILE
    if path.parent.is_symlink():
        return None
    try:
        event = parse_line(read_plain_file(path, _LONGEST))
    except (FileNotFoundError, UnreadableFileError):
        return None
    return None if event is None or event.lasting else event


def clear_progress(folder: Path) -> None:
    """Remove what a training that is gone left. The caller holds the run's lock."""
    control = folder / CONTROL_FOLDER
    if not control.is_symlink():
        _remove(control / PROGRESS_FILE)
        clear_temporaries(control)  # also of a request that is being made: it comes too early to count


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
