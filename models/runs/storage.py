"""Writing so that a crash at any moment leaves the old file or the new one, never half of either.

Everything a run keeps on disk goes through these few functions: files are written beside their
place under a temporary name, synced, and renamed into it. Files take the mode the umask gives.
Reading is bounded: the size is looked at before a byte is taken in.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.plain_file import UnreadableFileError, open_plain_file, read_plain_file
from models.errors import RunError, StorageError

TEMPORARY_PREFIX = ".tmp-"
_PIECE = 4 << 20  # bytes handed to the system at once: large enough for the disk, small enough for the cache
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_CANNOT_SYNC_DIRECTORIES = {errno.EINVAL, errno.ENOTSUP}
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file must still be when it is read again: `size` in bytes, SHA-256 in hexadecimal."""

    size: int
    sha256: str


@contextlib.contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn any OSError inside into a StorageError that says `what` could not be saved."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageError(
                f"The disk is full: {what} could not be saved.",
                hint="Free some space and go on; what was saved before is intact.",
            ) from error
        raise StorageError(
            f"Could not save {what}: {error.strerror or error}.",
            hint="Check that the folder can be written; what was saved before is intact.",
        ) from error


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> FileDigest:
    """Create `path` with the pieces one after another, hashed on the way, and sync it.

    Raises FileExistsError where `path` exists, OSError where the system refuses. What was
    written by then stays: the caller owns the folder and clears it.
    """
    sha256, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        for piece in pieces:
            view = memoryview(piece).cast("B")
            for start in range(0, len(view), _PIECE):
                part = view[start : start + _PIECE]
                sha256.update(part)
                _write_all(descriptor, part)
            size += len(view)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return FileDigest(size, sha256.hexdigest())


def replace_file(path: Path, pieces: Iterable[bytes | memoryview], what: str | None = None) -> FileDigest:
    """Put a new content in the place of `path` in one step, durable on return.

    Raises StorageError; the old content is then intact and the temporary file removed.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    with storing(what or f"'{path.name}'"):
        try:
            digest = write_file(temporary, pieces)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_directory(path.parent)
    return digest


def replace_json(path: Path, value: Any, what: str | None = None) -> None:
    """`replace_file` with `value` as readable JSON. Raises TypeError for what JSON cannot hold."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    replace_file(path, [text.encode("utf-8", "surrogatepass"), b"\n"], what)


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable, where the filesystem knows how."""
    if os.name == "nt":  # a folder cannot be opened there, and renames are journalled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_DIRECTORIES:
            raise
    finally:
        os.close(descriptor)


def require_space(folder: Path, size: int, what: str) -> None:
    """Raise StorageError unless `size` bytes, and a little more, are free where `folder` is."""
    needed = size + size // 50 + (1 << 20)  # blocks are rounded up and folders grow
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"The disk is full: {in_megabytes(needed)} are needed for {what}, "
            f"and {in_megabytes(free)} are free.",
            hint="Free some space and go on; what was saved before is intact.",
        )


def remove_entry(path: Path) -> None:
    """Remove a file, a link or a whole folder, never what a link points to. Raises OSError."""
    if stat.S_ISDIR(path.lstat().st_mode):
        shutil.rmtree(path)
    else:
        path.unlink()


def clear_temporaries(folder: Path, older_than_s: float = 0.0) -> None:
    """Remove what an interrupted write left in `folder`; what cannot be removed stays."""
    limit = time.time() - older_than_s
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(TEMPORARY_PREFIX):
                with contextlib.suppress(OSError):
                    if older_than_s == 0.0 or entry.stat(follow_symlinks=False).st_mtime < limit:
                        remove_entry(Path(entry.path))


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a plain file of at most `limit` bytes.

    Raises FileNotFoundError, or RunError for a link, a device, a larger file, a denied one.
    """
    try:
        return read_plain_file(path, limit)
    except UnreadableFileError as error:
        raise RunError(error.message) from error


def read_json(path: Path, limit: int) -> Any:
    """The value in a JSON file of at most `limit` bytes. Raises as `read_bounded`, RunError if broken."""
    content = read_bounded(path, limit)
    try:
        return json.loads(content.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"'{path}' is damaged: it is not JSON.") from error


def digest_of(path: Path) -> FileDigest:
    """Size and hash of a file as it stands. Raises OSError."""
    sha256, size = hashlib.sha256(), 0
    with open_plain_file(path) as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
            size += len(piece)
    return FileDigest(size, sha256.hexdigest())


def in_megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _write_all(descriptor: int, part: memoryview) -> None:
    # A nearly full disk takes a part of what it is given and refuses only the next write.
    while part:
        part = part[os.write(descriptor, part) :]
