"""The folder for prepared data. Everything in it can be made again."""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import StorageError
from data.progress import Progress
from data.storage import clear_temporaries

if TYPE_CHECKING:
    import filelock

CACHE_HINT = "Make room there, or set RLM_CACHE_DIR to a folder on another disk."
"""What to do when something cannot be written into the cache."""

_FORGOTTEN_AFTER_S = 60.0
_LOCK_POLL_S = 0.25
_chosen: Path | None = None


def set_cache_dir(folder: str | Path | None) -> None:
    """Choose the cache folder of this process; None or "" chooses the system's place for caches."""
    global _chosen
    _chosen = Path(folder) if folder else None


def cache_dir(explicit: str | Path | None = None) -> Path:
    """The cache folder, which is made if need be: `explicit`, else the one that `set_cache_dir` chose.

    Files that an interrupted write left there are cleared. Raises StorageError where it cannot be made.
    """
    folder = Path(explicit) if explicit else _chosen or _system_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The cache folder '{folder}' cannot be made: {error.strerror}.",
            hint="Set RLM_CACHE_DIR to a folder you can write to.",
        ) from error
    clear_temporaries(folder, _FORGOTTEN_AFTER_S, with_folders=False)
    return folder.resolve()


def cache_lock(path: Path, waiting: Progress) -> Generator[Progress, None, "filelock.BaseFileLock"]:
    """The lock of something in the cache, held. Yields `waiting` while another process has it."""
    import filelock  # only here, as below

    lock = filelock.FileLock(path)
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_S)
            return lock
        except filelock.Timeout:
            yield waiting


def _system_folder() -> Path:
    import platformdirs  # only here, so that `rlm --help` can choose a folder without loading it

    try:
        folder = Path(platformdirs.user_cache_dir("rlm", appauthor=False))
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # "~/.cache/rlm": there is no home folder
        raise StorageError(
            "There is no home folder for the cache.", hint="Set RLM_CACHE_DIR to a folder you can write to."
        )
    return folder
