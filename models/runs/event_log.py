"""The event log of a run: one line of JSON per event, appended as it happens.

The writer may be killed and the reader may come at any moment, so a line counts only once its
newline is there, and a line that is not one of our events is skipped. After a crash and a resume a
step may be there twice; `models.runs.history` knows which line counts.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from data.plain_file import open_plain_file, open_to_append
from data.storage import storing
from models.runs.event_json import from_json, to_json
from models.runs.events import Event

_LONGEST_LINE = 4 << 20  # bytes; a longer line is not ours
_PIECE = 1 << 20
_COMPARED = 256  # bytes before the position: the last line, by its time, is in no other log
_LARGEST_LOG = 2 << 30  # bytes; the rest of a larger file, such as one with a hole in it, is not read


class LineAppender:
    """A text file that lines are added to, each reaching the file in one call.

    A line torn by a crash or by a full disk is ended first, so that the next one is a line of its
    own. Opening and appending raise StorageError.
    """

    def __init__(self, path: Path) -> None:
        self._name = f"'{path.name}'"
        with storing(self._name):
            self._file = open_to_append(path)
            self._torn = False
            if self._file.seek(0, os.SEEK_END):
                self._file.seek(-1, os.SEEK_END)
                self._torn = self._file.read(1) != b"\n"

    def append(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with storing(self._name):
            torn, self._torn = self._torn, True
            self._write(b"\n" + data if torn else data)
            self._torn = False

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]

    def __enter__(self) -> "LineAppender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def append_event(log: LineAppender, event: Event) -> None:
    log.append(to_json(event))


def read_events(path: Path) -> Iterator[Event]:
    """The events a log holds now, in order. A log that is missing or cannot be read holds none."""
    reader = LogReader(path)
    with contextlib.suppress(OSError):
        while lines := reader.read():
            yield from (event for line in lines if (event := parse_line(line)) is not None)


class LogReader:
    """Reads the lines of a log piece by piece, and those that are added later.

    A torn last line waits for its end. A log that became shorter or has other bytes than before was
    replaced: it is read again from its start, and `restarts` is one more.
    """

    def __init__(self, path: Path) -> None:
        self.restarts = 0
        self.is_behind = False
        """Whether the last piece was a full one, so that more waits."""
        self._path = path
        self._position, self._torn = 0, b""
        self._before = b""
        """The last bytes that were read. They are compared each time."""

    def read(self) -> list[bytes]:
        """The next whole lines, about a MiB of them; empty where there are no more for now.

        Raises OSError where the file cannot be read, FileNotFoundError where it is not there.
        """
        lines: list[bytes] = []
        while not lines and (piece := self._next_piece()):
            self.is_behind = len(piece) == _PIECE
            self._position += len(piece)
            self._before = (self._before + piece)[-_COMPARED:]
            *lines, torn = (self._torn + piece).split(b"\n")
            self._torn = torn[: _LONGEST_LINE + 1]  # enough to keep it unreadable, little enough to hold
        return lines

    def _next_piece(self) -> bytes:
        try:
            with open_plain_file(self._path, follow_links=False) as file:
                file.seek(self._position - len(self._before))
                if file.read(len(self._before)) != self._before:
                    self._restart()
                    file.seek(0)
                return file.read(min(_PIECE, max(0, _LARGEST_LOG - self._position)))
        except FileNotFoundError:
            if self._position:
                self._restart()
            raise

    def _restart(self) -> None:
        self.restarts += 1
        self._position, self._torn, self._before = 0, b"", b""


def parse_line(line: bytes) -> Event | None:
    """The event a line holds, or None for a torn, foreign, or absurd one."""
    if len(line) > _LONGEST_LINE:
        return None
    try:
        return from_json(line.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8; nested without end
        return None
