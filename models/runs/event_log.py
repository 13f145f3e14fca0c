"""The event log of a run: one line of JSON per event, appended as it happens.

The writer may be killed and the reader may come at any moment, so a line counts only once its
newline is there, and a line that is not one of our events is skipped. After a crash and a resume a
step may be there twice; `models.runs.history` knows which line counts.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from data.plain_file import open_plain_file, open_to_append
from data.storage import storing
from models.runs.event_json import from_json, to_json
from models.runs.events import Event

_LONGEST_LINE = 4 << 20  # bytes; a longer line is not ours
_PIECE = 1 << 20
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
    """The events a log holds now, in order. A missing log holds none."""
    return follow_events(path, stop=lambda: True)


def follow_events(path: Path, stop: Callable[[], bool], poll_s: float = 0.2) -> Iterator[Event]:
    """The events of a log from its first line on, waiting for more until `stop()` returns True.

    What is in the log when `stop` turns true is still given. A log that does not exist yet is
    waited for; one that became shorter was replaced, and is read again from its start.
    """
    position, torn = 0, b""
    while True:
        last_round = stop()  # before reading, so that nothing written until now is missed
        while piece := _read_piece(path, position):
            position += len(piece)
            *lines, torn = (torn + piece).split(b"\n")
            if len(torn) > _LONGEST_LINE:
                torn = torn[:_LONGEST_LINE]  # enough to keep it unreadable, little enough to hold
            yield from (event for line in lines if (event := parse_line(line)) is not None)
        if last_round:
            return
        time.sleep(poll_s)
        if _size(path) < position:
            position, torn = 0, b""


def parse_line(line: bytes) -> Event | None:
    """The event a line holds, or None for a torn, foreign, or absurd one."""
    if len(line) > _LONGEST_LINE:
        return None
    try:
        return from_json(line.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8; nested without end
        return None


def _read_piece(path: Path, position: int) -> bytes:
    try:
        with open_plain_file(path, follow_links=False) as file:
            file.seek(position)
            return file.read(min(_PIECE, max(0, _LARGEST_LOG - position)))
    except OSError:  # not there yet, or removed: nothing to read for now
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
