"""Writing files so that a crash at any moment leaves the old file or the new one, never a part of either.

A file is written beside its place under a temporary name, synced, and renamed into its place; then the
folder is synced. Files and folders get the mode that the umask gives, unless the caller gives a stricter one.
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

from data.errors import StorageError
from data.plain_file import open_plain_file
from data.wording import byte_size

TEMPORARY_PREFIX = ".tmp-"
_PIECE = 4 << 20  # bytes handed to the system at once: large enough for the disk, small enough for the cache
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_CANNOT_SYNC_DIRECTORIES = {errno.EINVAL, errno.ENOTSUP}
_BINARY = getattr(os, "O_BINARY", 0)
_MAKE_ROOM = "Free some space and go on; what was saved before is intact."


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file must still be when it is read again: `size` in bytes, SHA-256 in hexadecimal."""

    size: int
    sha256: str


@contextlib.contextmanager
def storing(what: str, hint: str | None = None) -> Iterator[None]:
    """Turn any OSError inside into a StorageError which says that `what` could not be saved.

    `hint` is the next step; without one it is to make room, or to check that the folder can be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageError(
                f"The disk is full: {what} could not be saved.", hint=hint or _MAKE_ROOM
            ) from error
        raise StorageError(
            f"Could not save {what}: {error.strerror or error}.",
            hint=hint or "Check that the folder can be written; what was saved before is intact.",
        ) from error


def write_file(path: Path, pieces: Iterable[bytes | memoryview], mode: int = 0o666) -> FileDigest:
    """Create `path` with the pieces one after another, hash them on the way, and sync the file.

    Its mode is `mode` less the umask. Raises FileExistsError where `path` exists, OSError where the system
    refuses. What was written by then stays: the caller owns the folder and clears it.
    """
    sha256, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
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


def copy_file(source: Path, target: Path, *, link: bool = False) -> None:
    """Create `target` with the content and the mode of a plain file, synced; a link is refused.

    Its owner may write it, also where the source is read-only. With `link` both may share their place on the
    disk. That is for files which are replaced and never written to in place. Raises OSError.
    """
    if link and stat.S_ISREG(source.lstat().st_mode):
        with contextlib.suppress(OSError):  # not every filesystem can
            os.link(source, target, follow_symlinks=False)
            return
    with open_plain_file(source, follow_links=False) as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode) | stat.S_IWUSR
        write_file(target, iter(lambda: file.read(_PIECE), b""), mode)


def replace_file(
    path: Path,
    pieces: Iterable[bytes | memoryview],
    what: str | None = None,
    *,
    hint: str | None = None,
    mode: int = 0o666,
) -> FileDigest:
    """Put a new content in the place of `path` in one step, durable on return.

    Raises StorageError, with `what` and `hint` as in `storing`; the old content is then intact and the
    temporary file removed.
    """
    with storing(what or f"'{path.name}'", hint), temporary_beside(path) as temporary:
        digest = write_file(temporary, pieces, mode)
        move_into_place(temporary, path)
    return digest


def replace_json(path: Path, value: Any, what: str | None = None) -> None:
    """`replace_file` with `value` as readable JSON. Raises TypeError for what JSON cannot hold."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    replace_file(path, [text.encode("utf-8", "surrogatepass"), b"\n"], what)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A free name in the folder of `path` for a file or a folder; what still has that name at the end is
    removed."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            remove_entry(temporary)


def move_into_place(temporary: Path, path: Path) -> None:
    """Rename a synced file to `path`, or a synced folder where no folder is; durable on return. OSError."""
    os.replace(temporary, path)
    sync_directory(path.parent)


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


def require_space(folder: Path, size: int, what: str, hint: str | None = None) -> None:
    """Raise StorageError unless `size` bytes, and a little more, are free where `folder` is."""
    needed = size + size // 50 + (1 << 20)  # blocks are rounded up and folders grow
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"The disk is full: {byte_size(needed)} are needed for {what}, and {byte_size(free)} are free.",
            hint=hint or _MAKE_ROOM,
        )


def remove_entry(path: Path) -> None:
    """Remove a file, a link or a whole folder, never what a link points to. Raises OSError."""
    if stat.S_ISDIR(path.lstat().st_mode):
        shutil.rmtree(path)
    else:
        path.unlink()


def clear_temporaries(folder: Path, older_than_s: float = 0.0, *, with_folders: bool = True) -> None:
    """Remove what an interrupted write left in `folder`; what cannot be removed stays.

    The time of a folder tells nothing of the files that are written in it.
    """
    limit = time.time() - older_than_s
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(TEMPORARY_PREFIX):
                with contextlib.suppress(OSError):
                    if not with_folders and entry.is_dir(follow_symlinks=False):
                        continue
                    if older_than_s == 0.0 or entry.stat(follow_symlinks=False).st_mtime < limit:
                        remove_entry(Path(entry.path))


def digest_of(path: Path) -> FileDigest:
    """Size and hash of a plain file that is no link, as it is now. Raises OSError."""
    sha256, size = hashlib.sha256(), 0
    with open_plain_file(path, follow_links=False) as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
            size += len(piece)
    return FileDigest(size, sha256.hexdigest())


def _write_all(descriptor: int, part: memoryview) -> None:
    # A nearly full disk takes a part of what it is given and refuses only the next write.
    while part:
        part = part[os.write(descriptor, part) :]
