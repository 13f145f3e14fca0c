"""Following a run that another process trains, by its log."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.errors import RunError
from models.runs.event_json import wire_name
from models.runs.event_log import LogReader, parse_line
from models.runs.events import Event, StepFinished
from models.runs.history import History, text_started_at
from models.runs.live_progress import read_progress
from models.runs.run import Run

_STEP = re.compile(
    rb'\{"event": "%b", "time": [^,]+, "step": ([0-9]{1,18}), ' % wire_name(StepFinished).encode()
)
"""How a line of a step starts, so that its number is known before the line is parsed."""


class Follower:
    """Folds the log of a run into `history`, as it grows.

    `restarts` counts how often the log was replaced; each time `history` is a new one.
    """

    def __init__(self, folder: Path) -> None:
        """Reads nothing of the log yet. Raises RunError where `folder` holds no run."""
        self._run = Run(folder.resolve())
        self._log = LogReader(self._run.events_path)
        self.history = self._new_history()
        self._last_time = 0.0
        """Of the last event of the log, in seconds since the epoch."""

    @property
    def restarts(self) -> int:
        return self._log.restarts

    def poll(self) -> Sequence[Event]:
        """The events on the lines that were added since the last call, taken into `history`.

        Where more than a MiB of lines waits, steps that the history does not hold are left out.
        `history.progress` is what the training is at between two events, which no line tells. Raises RunError
        where the run is no longer there, or its log cannot be read.
        """
        return [event for piece in self.pieces() for event in piece]

    def pieces(self) -> Iterator[Sequence[Event]]:
        """As `poll`, a MiB of lines after another."""
        while lines := self._read():
            yield self._take(lines, sparsely=self._log.is_behind)
        self._take_progress()

    def every_event(self) -> Iterator[Event]:
        """As `poll`, with every step and piece by piece."""
        while lines := self._read():
            yield from self._take(lines, sparsely=False)
        self._take_progress()

    def _read(self) -> list[bytes]:
        restarts = self._log.restarts
        lines: list[bytes] = []
        try:
            lines = self._log.read()
        except FileNotFoundError:
            if not self._run.config_path.exists():
                raise RunError(
                    f"Run '{self._run.name}' is no longer there.", hint="See what there is: {ls}"
                ) from None
        except OSError as error:
            raise RunError(
                f"The log of run '{self._run.name}' cannot be read: {error.strerror or error}.",
                hint=f"Look at '{self._run.events_path}'.",
            ) from error
        if self._log.restarts != restarts:
            self.history, self._last_time = self._new_history(), 0.0
        return lines

    def _take(self, lines: Sequence[bytes], *, sparsely: bool) -> list[Event]:
        events = _fold(lines, self.history, sparsely=sparsely)
        if events:
            self._last_time = events[-1].time
        return events

    def _take_progress(self) -> None:
        progress = read_progress(self._run.path)
        if progress is not None and progress.time > self._last_time:
            self.history.add(progress)

    def _new_history(self) -> History:
        return History(since=text_started_at(self._run.config()))


def _fold(lines: Sequence[bytes], history: History, *, sparsely: bool) -> list[Event]:
    """Take the events of `lines` into `history`, and return them.

    `sparsely`, a step is left out unparsed where that makes no difference to the history.
    """
    events: list[Event] = []
    numbers = [_step_number(line) for line in lines] if sparsely else [0] * len(lines)
    before = history.step
    for line, number, following in zip(lines, numbers, [*numbers[1:], 0], strict=True):
        if before < number < following and history.passes_over(number):
            before = number
            continue
        if (event := parse_line(line)) is not None:
            history.add(event)
            events.append(event)
        before = history.step
    return events


def _step_number(line: bytes) -> int:
    """The number of the step that a whole line tells of; 0 for every other line."""
    found = _STEP.match(line)
    return int(found[1]) if found and line.endswith(b"}") else 0
