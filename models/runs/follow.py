"""Following a run that another process trains, by its log."""

import re
from collections.abc import Sequence
from pathlib import Path

from models.errors import RunError
from models.runs.event_json import wire_name
from models.runs.event_log import LogReader, parse_line
from models.runs.events import Event, StepFinished
from models.runs.history import History, text_started_at
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

    @property
    def restarts(self) -> int:
        return self._log.restarts

    def poll(self) -> Sequence[Event]:
        """The events on the lines that were added since the last call, taken into `history`.

        Where more than a MiB of lines waits, steps that the history does not hold are left out. Raises
        RunError where the run is no longer there, or its log cannot be read.
        """
        events: list[Event] = []
        while True:
            restarts = self._log.restarts
            lines = self._read()
            if self._log.restarts != restarts:
                self.history = self._new_history()
                events.clear()
            if not lines:
                return events
            events += _fold(lines, self.history, sparsely=self._log.is_behind)

    def _read(self) -> list[bytes]:
        try:
            return self._log.read()
        except FileNotFoundError:
            if not self._run.config_path.exists():
                raise RunError(
                    f"Run '{self._run.name}' is no longer there.", hint="See what there is: {ls}"
                ) from None
            return []
        except OSError as error:
            raise RunError(
                f"The log of run '{self._run.name}' cannot be read: {error.strerror or error}.",
                hint=f"Look at '{self._run.events_path}'.",
            ) from error

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
