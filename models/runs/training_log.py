"""The lines of `training.log`, for a person with a pager: when something happened, and what.

The event log is for programs. Steps come several times a second, so the training log has one every
few seconds, and always the last one before something else happens. Text from a model or a file is
made safe, because a log is shown on terminals.
"""

import math
from collections.abc import Iterator
from datetime import datetime

from data.safe_text import safe_text
from models.runs.event_words import Words, describe
from models.runs.events import Event, StepFinished

STEP_INTERVAL_S = 10.0


class TrainingLogLines:
    """Turns a stream of events into lines. It remembers the last step that has no line yet."""

    def __init__(self) -> None:
        self._last_step_at = -math.inf
        self._waiting: StepFinished | None = None

    def of(self, event: Event) -> Iterator[str]:
        """The lines, without newlines, that `event` adds to the log: none, one or several."""
        if isinstance(event, StepFinished):
            if abs(event.time - self._last_step_at) < STEP_INTERVAL_S:  # abs: a clock may be set back
                self._waiting = event
                return
            self._last_step_at, self._waiting = event.time, None
        words = describe(event)
        if words is None:
            return
        if self._waiting is not None:
            self._last_step_at = self._waiting.time
            yield from _lines(self._waiting, describe(self._waiting) or Words(""))
            self._waiting = None
        yield from _lines(event, words)


def _lines(event: Event, words: Words) -> Iterator[str]:
    first, *rest = safe_text(words.text).split("\n")
    details = "  " + safe_text(words.details).replace("\n", " ") if words.details else ""
    yield f"{datetime.fromtimestamp(event.time):%Y-%m-%d %H:%M:%S}  {first}{details}"
    yield from (f"    | {line}" for line in rest)
