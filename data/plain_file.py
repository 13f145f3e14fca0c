"""Opening a file that may come from anywhere: only a plain one, and reading it up to a size.

What is opened is checked on the open descriptor, so nothing can be put in its place after the check. Every
other module reads files through this one, and writes them through `data.storage`; a test holds it.
"""

import errno
import io
import os
import stat
from pathlib import Path

from data.errors import RlmError
from data.wording import byte_size

_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NOT_PLAIN = "it is not a plain file"
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe does not wait for a writer


class UnreadableFileError(RlmError):
    """A file that is not a plain one, is too large, or may not be read."""


def open_plain_file(path: Path, *, follow_links: bool = True) -> io.BufferedReader:
    """A plain file, open to read bytes.

    Raises OSError, also for a pipe, a device or a folder, and for a link, unless links are followed.
    """
    flags = os.O_RDONLY | _NO_WAIT | _BINARY | (0 if follow_links else _NO_FOLLOW)
    return os.fdopen(_open(path, flags, 0), "rb")


def open_to_append(path: Path, mode: int = 0o666) -> io.FileIO:
    """A plain file, made with `mode` less the umask if need be, open to read and to add to its end.

    Unbuffered. Raises OSError, also for a pipe, a device, a folder and a link.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_WAIT | _NO_FOLLOW | _BINARY
    return io.FileIO(_open(path, flags, mode), "ab+")


def read_plain_file(path: Path, limit: int, *, follow_links: bool = False) -> bytes:
    """The content of a plain file of at most `limit` bytes.

    Raises FileNotFoundError, or UnreadableFileError for a device, a larger file, one that may not be read,
    and a link, unless links are followed.
    """
    try:
        with open_plain_file(path, follow_links=follow_links) as file:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > limit else file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableFileError(f"'{path}' cannot be read: {error.strerror}.") from error
    if size > limit or len(content) > limit:
        raise UnreadableFileError(f"'{path}' is larger than such a file may be ({byte_size(limit)}).")
    return content


def _open(path: Path, flags: int, mode: int) -> int:
    """A descriptor of a plain file. Raises OSError."""
    try:
        descriptor = os.open(path, flags, mode)
    except ValueError as error:  # no file has a NUL in its name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except OSError as error:
        if error.errno == errno.ELOOP and flags & _NO_FOLLOW and os.path.islink(path):
            raise OSError(errno.ELOOP, "it is a link, not a plain file", str(path)) from error
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, opened to write
            raise OSError(errno.ENXIO, _NOT_PLAIN, str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, _NOT_PLAIN, str(path))
    return descriptor
