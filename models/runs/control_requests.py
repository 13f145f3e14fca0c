"""Requests to a training from another process: pause, stop, save or sample, each a file.

`runs/<name>/control/pause` asks the training of that run to pause. The files are empty, except that
`sample` may hold a prompt. The training removes the file when it takes the request, so a request counts
once. A request that no training took is removed when the next process locks the run, unless it trains on
behalf of the one before (`Run.hold`). Links, everything that is not a plain file, and a prompt that is too
long are ignored.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from data.plain_file import UnreadableFileError, read_plain_file
from data.storage import TEMPORARY_PREFIX, replace_file, storing
from models.errors import RunError

if TYPE_CHECKING:
    from models.runs.run import Run

Request = Literal["pause", "stop", "save", "sample"]
REQUESTS: tuple[Request, ...] = get_args(Request)
CONTROL_FOLDER = "control"
LONGEST_PROMPT = 4096
"""Bytes of UTF-8."""
_TAKEN = f"{TEMPORARY_PREFIX}taken"
"""The name of a request while it is read, so that one made meanwhile stays."""


def request(run: "Run", kind: Request, prompt: str = "") -> None:
    """Ask the process that trains `run` for `kind`. Asked again before it is taken, the last prompt counts.

    `prompt` is that of a sample; empty for the one that training chooses. Raises RunError where nobody trains
    the run, where its control folder is not ours, where a run of puzzles is to write a sample, and where the
    prompt is too long; StorageError.
    """
    assert kind in REQUESTS and (kind == "sample" or not prompt), kind
    content = prompt.encode("utf-8", "replace")
    if len(content) > LONGEST_PROMPT:
        raise RunError(
            f"The prompt has {len(content):,} bytes; a sample takes at most {LONGEST_PROMPT:,}.",
            hint="Shorten it.",
        )
    if not run.is_busy():
        raise RunError(f"Run '{run.name}' is not training.", hint="See which one is: {ls}")
    if kind == "sample":
        run.config().require_text(run.path)
    folder = run.path / CONTROL_FOLDER
    with storing("the request"):
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        _require(folder, stat.S_ISDIR)
        _require(folder / kind, stat.S_ISREG)
    # In its place at once, so there is no half of a request to be seen.
    replace_file(folder / kind, [content], "the request")


def take(run: "Run") -> dict[Request, str]:
    """The requests made since the last call, each with its prompt; their files are removed.

    Cheap enough to call at every step. A request whose file cannot be removed is ignored, since it would come
    again and again.
    """
    folder = run.path / CONTROL_FOLDER
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.name in REQUESTS]
    except OSError:  # no folder: nobody ever asked
        return {}
    if not found or folder.is_symlink():
        return {}
    taken: dict[Request, str] = {}
    for entry in found:
        with contextlib.suppress(OSError, UnreadableFileError):
            if entry.is_file(follow_symlinks=False):
                content = _removed(Path(entry.path), folder / _TAKEN)
                kind = next(kind for kind in REQUESTS if kind == entry.name)
                taken[kind] = content.decode("utf-8", "replace") if kind == "sample" else ""
    return taken


def _removed(path: Path, aside: Path) -> bytes:
    """What a request's file held. Raises OSError where it cannot be removed, UnreadableFileError."""
    os.replace(path, aside)
    try:
        return read_plain_file(aside, LONGEST_PROMPT)
    finally:
        with contextlib.suppress(OSError):  # the lock of the next training removes it
            os.unlink(aside)


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
