"""stdout and stderr: whether they are terminals, and what happens if they cannot be written."""

import io
import os
import sys
from collections.abc import Collection
from typing import Any, TextIO

from data.errors import RlmError
from models.processes.placement import is_launched


class OutputError(Exception):
    """stdout or stderr cannot be written: a full disk, a closed pipe or a closed window."""

    def __init__(self, stream: TextIO, cause: OSError) -> None:
        super().__init__(str(cause))
        self.stream = stream
        self.cause = cause

    @property
    def is_closed_pipe(self) -> bool:
        """Whether the program that read the output has ended, as `head` does after its lines."""
        return isinstance(self.cause, BrokenPipeError)

    def as_rlm_error(self) -> RlmError:
        """A sentence for the user."""
        if self.is_closed_pipe:
            return RlmError("Nothing reads the output any more.")
        return RlmError(f"The output cannot be written: {self.cause.strerror or self.cause}.")


class CheckedStream(io.TextIOWrapper):
    """A text stream that raises OutputError, so that no other OSError is taken for one of output.

    Characters that the encoding lacks are written as escapes.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
        )
        self._stream = stream  # which would close the buffer when it is collected

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputError(self, error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputError(self, error) from error


def checked(stream: Any) -> Any:
    """`stream` as a CheckedStream, unless it is no file."""
    return CheckedStream(stream) if isinstance(stream, io.TextIOWrapper) else stream


def flush_streams() -> None:
    """Write what is still buffered. Raises OutputError."""
    for stream in _streams():
        stream.flush()


def drop_broken_streams(gone: Collection[TextIO] = ()) -> None:
    """Redirect streams that cannot be written, and those in `gone`, to the null device.

    Otherwise every later message fails, and Python prints an error at exit.
    """
    for stream in _streams():
        try:
            stream.flush()
            broken = stream in gone
        except (OSError, OutputError):
            broken = True
        if broken:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def terminal_streams() -> list[TextIO]:
    """The streams of stdout and stderr that are terminals. A closed terminal no longer counts."""
    return [stream for stream in _streams() if is_terminal(stream)]


def is_terminal(stream: Any) -> bool:
    """Whether `stream` is a terminal. A missing or closed stream is none."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def stdout_is_terminal() -> bool:
    return is_terminal(sys.stdout)


def stderr_is_terminal() -> bool:
    """Whether a progress bar can be drawn."""
    return is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def may_ask() -> bool:
    """Whether a question can be answered: stdin and stderr are terminals, and this is not CI. torchrun does
    not wait for an answer: 30 seconds after a Ctrl-C it kills its processes."""
    is_watched = not os.environ.get("CI") and not is_launched(os.environ)
    return is_watched and is_terminal(sys.stdin) and stderr_is_terminal()


def _streams() -> list[TextIO]:
    """stdout and stderr, even while a progress bar has replaced them."""
    return [getattr(stream, "rich_proxied_file", stream) for stream in (sys.stdout, sys.stderr)]
