"""Requests to a training from another process: pause, stop, save or sample, each an empty file.

`runs/<name>/control/pause` asks the training of that run to pause. The training removes the file
when it takes the request, so a request counts once. A request that no training took is removed when
the next process locks the run, unless it trains on behalf of the one before (`Run.hold`). Links and
everything that is not a plain file are ignored.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from data.storage import storing, write_file
from models.errors import RunError

if TYPE_CHECKING:
    from models.runs.run import Run

Request = Literal["pause", "stop", "save", "sample"]
REQUESTS: tuple[Request, ...] = get_args(Request)
CONTROL_FOLDER = "control"


def request(run: "Run", kind: Request) -> None:
    """Ask the process that trains `run` for `kind`. Asking again before it is taken changes nothing.

    Raises RunError where nobody trains the run or where its control folder is not ours, StorageError.
    """
    assert kind in REQUESTS, kind
    if not run.is_busy():
        raise RunError(f"Run '{run.name}' is not training.", hint="See which one is: {ls}")
    folder = run.path / CONTROL_FOLDER
    with storing("the request"):
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        _require(folder, stat.S_ISDIR)
        try:
            # An empty file appears at once, so there is no half of a request to be seen.
            write_file(folder / kind, [])
        except FileExistsError:
            _require(folder / kind, stat.S_ISREG)


def take(run: "Run") -> set[Request]:
    """The requests made since the last call; their files are removed. Cheap enough to call at every step.

    A request whose file cannot be removed is ignored, since it would come again and again.
    """
    folder = run.path / CONTROL_FOLDER
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.name in REQUESTS]
    except OSError:  # no folder: nobody ever asked
        return set()
    if not found or folder.is_symlink():
        return set()
    taken: set[Request] = set()
    for entry in found:
        with contextlib.suppress(OSError):
            if entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
                taken.update(kind for kind in REQUESTS if kind == entry.name)
    return taken


def clear(run: "Run") -> None:
    """Remove requests that were made to a training that is gone. The caller holds the run's lock."""
    take(run)


def _require(path: Path, is_right: Callable[[int], bool]) -> None:
    """Raise RunError where something else is in the place of our folder or file, or a link to one."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # the request was taken meanwhile
        return
    if not is_right(mode):
        raise RunError(f"'{path}' is in the way: it is not what rlm writes.", hint="Remove it.")
