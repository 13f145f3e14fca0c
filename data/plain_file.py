"""Reading a file that may come from anywhere: only a plain one, and only up to a size."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from data.errors import RlmError

_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NOT_PLAIN = "not a plain file"
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe does not wait for a writer


class UnreadableFileError(RlmError):
    """A file that is not a plain one, is too large, or may not be read."""


def open_plain_file(path: Path, *, follow_links: bool = True) -> BinaryIO:
    """A plain file, open to read bytes.

    Raises OSError, also for a pipe, a device or a folder, and for a link, unless links are followed.
    """
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY | (0 if follow_links else _NO_FOLLOW))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, _NOT_PLAIN, str(path))
    return os.fdopen(descriptor, "rb")


def read_plain_file(path: Path, limit: int, *, follow_links: bool = False) -> bytes:
    """The content of a plain file of at most `limit` bytes.

    Raises FileNotFoundError, or UnreadableFileError for a device, a larger file, one that may not be read,
    and a link, unless links are followed.
    """
    try:
        file = open_plain_file(path, follow_links=follow_links)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise UnreadableFileError(f"'{path}' is a link, not a plain file.") from error
        if error.strerror == _NOT_PLAIN:
            raise UnreadableFileError(f"'{path}' is {_NOT_PLAIN}.") from error
        raise UnreadableFileError(f"'{path}' cannot be read: {error.strerror}.") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > limit else file.read(limit + 1)
    if size > limit or len(content) > limit:
        raise UnreadableFileError(f"'{path}' is larger than such a file may be ({limit / 1e6:,.1f} MB).")
    return content
