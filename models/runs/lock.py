"""The lock of a run: one process writes to it, and the system lets go of the lock if that dies."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from data.errors import StorageError
from data.plain_file import open_plain_file, open_to_append
from data.storage import storing, write_file
from models.errors import RunBusyError, RunError, in_command
from models.runs.read_files import read_bounded

LOCK_FILE, PID_FILE = ".lock", ".lock-pid"
RESERVED_FILE = ".lock-reserved"
"""Open and locked while a process is starting that is to have the lock next."""
_LOCK_PATIENCE_S = 1.0  # longer than a look at the lock takes, short enough to answer at once

_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}

_held_throughout: ContextVar[frozenset[Path]] = ContextVar("held_throughout", default=frozenset())
"""Folders whose lock this thread holds for all the steps it takes."""

_locked: dict[Path, tuple[int, int]] = {}
"""The device and the inode of each folder whose lock this process holds, as it was locked."""


@contextlib.contextmanager
def holding_lock(folder: Path, *, is_reserved_for_us: bool = False) -> Iterator[bool]:
    """Be the one process that writes to the run in `folder`.

    Inside `holding_lock_throughout` of the same folder this does nothing, and the value is False instead of
    True. Raises RunBusyError that names the process which has it or for which it is reserved, RunError where
    the folder is gone, StorageError.
    """
    if folder in _held_throughout.get():
        yield False
        return
    if (identity := folder_identity(folder)) is None:
        raise _gone(folder)
    from filelock import FileLock, Timeout  # 30 ms that listing runs has no use for

    lock = FileLock(folder / LOCK_FILE, timeout=_LOCK_PATIENCE_S, poll_interval=0.05)
    with storing("the run's lock"):
        try:
            lock.acquire()
        except Timeout:
            raise _busy(folder) from None
        if folder_identity(folder) != identity:  # it went meanwhile, and FileLock makes what is not there
            _remove_if_made(folder)
            lock.release()
            raise _gone(folder)
    try:
        if not is_reserved_for_us and _is_reserved(folder):
            raise _busy(folder)
        _write_pid(folder, os.getpid())
        _locked[folder] = identity
        yield True
    finally:
        _locked.pop(folder, None)
        try:
            _remove_own_pid(folder)
        finally:
            lock.release()


def _gone(folder: Path) -> RunError:
    return RunError(f"Run '{folder.name}' is no longer there.", hint="See what there is: {ls}")


def _remove_if_made(folder: Path) -> None:
    """Remove a folder that has nothing in it but the lock that this process holds."""
    with contextlib.suppress(OSError):
        if os.listdir(folder) == [LOCK_FILE]:
            os.unlink(folder / LOCK_FILE)
            os.rmdir(folder)


def require_in_place(folder: Path) -> None:
    """Raise RunError where another folder is in the place of one that this process has locked.

    Files are written by their paths, so the next one would go into somebody else's run.
    """
    if not is_in_place(folder):
        raise RunError(
            f"Run '{folder.name}' was moved, and something else is in its place.",
            hint="See what there is: {ls}",
        )


def is_in_place(folder: Path) -> bool:
    """Whether no other folder is in the place of one that this process has locked."""
    found = folder_identity(folder)  # where nothing is there, the next write says so
    return found is None or _locked.get(folder) in (None, found)


def folder_identity(folder: Path) -> tuple[int, int] | None:
    """The device and the inode of a folder, which a rename keeps; None where it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def holding_lock_throughout(folder: Path, *, is_reserved_for_us: bool = False) -> Iterator[bool]:
    """Hold the lock over several steps, each of which takes it for itself.

    Between two steps no other process can change the run. The value, and what it raises, are those of
    `holding_lock`.
    """
    with holding_lock(folder, is_reserved_for_us=is_reserved_for_us) as is_taken:
        token = _held_throughout.set(_held_throughout.get() | {folder})
        try:
            yield is_taken
        finally:
            _held_throughout.reset(token)


@contextlib.contextmanager
def holding_lock_to_read(folder: Path) -> Iterator[None]:
    """Let no process write to the run in `folder` while it is read.

    Where this process may not write, as on a read-only disk, nothing is written for it. Raises as
    `holding_lock`.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(holding_lock(folder))
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) not in _READ_ONLY:
                raise
            stack.enter_context(_shared_lock(folder))
        yield


@contextlib.contextmanager
def reserving_lock(folder: Path) -> Iterator[int | None]:
    """Reserve the lock for a process that is started inside, which inherits the open file of the value.

    The lock stays reserved until every process has closed that file. None where the system cannot do this.
    Raises RunBusyError where it is reserved already, StorageError.
    """
    try:
        import fcntl
    except ImportError:
        yield None
        return
    with storing("the run's lock"), open_to_append(folder / RESERVED_FILE) as file:
        deadline = time.monotonic() + _LOCK_PATIENCE_S  # a look at it takes the lock for a moment
        reserved: int | None = None
        while reserved is None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                reserved = file.fileno()
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _busy(folder) from None
                time.sleep(0.05)
            except OSError:  # a disk without such locks
                break
        _write_pid(folder, os.getpid())
        yield reserved


def name_reserved(folder: Path, pid: int) -> None:
    """Note the process for which the lock is reserved, for the message to others."""
    _write_pid(folder, pid)


def end_reservation(folder: Path) -> None:
    """Let others have the lock that was reserved for this process, though the one that started it still has
    the file open."""
    with contextlib.suppress(OSError):
        (folder / RESERVED_FILE).unlink()


def _is_reserved(folder: Path) -> bool:
    try:
        with _shared_lock(folder, RESERVED_FILE):
            return False
    except RunBusyError:
        return True


@contextlib.contextmanager
def _shared_lock(folder: Path, name: str = LOCK_FILE) -> Iterator[None]:
    """The lock as far as a reader can have it: where there is a lock file, and a system that shares locks.

    Raises RunBusyError where another process is writing.
    """
    with contextlib.ExitStack() as stack:
        try:
            import fcntl

            file = stack.enter_context(open_plain_file(folder / name, follow_links=False))
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(folder) from None
        except (ImportError, OSError):
            pass
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock right now, or is starting and will have it next."""
    if not os.path.exists(folder / PID_FILE):
        return False
    if _is_reserved(folder):
        return True
    from filelock import FileLock, Timeout

    identity = folder_identity(folder)
    if identity is None:
        return False
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            if folder_identity(folder) != identity:
                _remove_if_made(folder)
            return False
    except Timeout:
        return True
    except OSError:  # somebody else's folder, or a read-only disk
        pass
    try:
        with _shared_lock(folder):
            return False
    except RunBusyError:
        return True


def _line(pid: int) -> bytes:
    return f"{pid}\n".encode()


def _write_pid(folder: Path, pid: int) -> None:
    """Write a pid for the message to another process. In its place at once: a kill leaves no other file."""
    with contextlib.suppress(OSError):
        (folder / PID_FILE).unlink(missing_ok=True)
        write_file(folder / PID_FILE, [_line(pid)])


def _remove_own_pid(folder: Path) -> None:
    """Remove the pid file. If the folder was removed meanwhile and made anew, another process wrote it."""
    with contextlib.suppress(OSError, RunError):
        if read_bounded(folder / PID_FILE, 64) == _line(os.getpid()):
            (folder / PID_FILE).unlink()


def require_unlocked(folder: Path) -> None:
    """Raise RunBusyError where a process holds the lock right now. Nothing is written."""
    if is_locked(folder):
        raise _busy(folder)


def holder(folder: Path) -> int | None:
    """The process that wrote the pid file last: the one that has the lock, if any has."""
    pid = ""
    with contextlib.suppress(OSError, RunError):
        pid = read_bounded(folder / PID_FILE, 64).decode("ascii", "ignore").strip()
    return int(pid) if pid.isdecimal() and len(pid) < 20 else None


def _busy(folder: Path) -> RunBusyError:
    pid = holder(folder)
    if pid is None:
        return RunBusyError(f"Another process is writing to run '{folder.name}'.", hint="Wait until it ends.")
    return RunBusyError(
        f"Process {pid} is writing to run '{folder.name}'.",
        hint=f"Wait until it ends. If it trains, this pauses it: {{pause {in_command(folder)}}}",
    )
