"""What a run's log says, as the dashboard shows it. Needs neither torch nor textual.

`RunFeed` belongs to the thread that follows the log. It hands out views, which nobody changes.
"""

import contextlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.runs import events
from models.runs.event_words import describe
from models.runs.events import EvaluationFinished, Event, RunStarted, SampleGenerated, StepFinished
from models.runs.follow import Follower
from models.runs.history import History
from models.runs.listing import summarize
from models.runs.lock import is_locked
from models.runs.loss_curves import smoothed
from tui.run_list import State, state_of

Level = Literal["plain", "good", "warning", "error"]
MAX_LINES = 500
_WARNINGS = (events.StepSkipped, events.RolledBack, events.MicroBatchHalved)
_WITHOUT_LINE = (StepFinished, SampleGenerated)


@dataclass(frozen=True, slots=True)
class LogLine:
    """What happened, in words. They may hold settings and commands in braces."""

    time: float
    text: str
    level: Level = "plain"


@dataclass(frozen=True, slots=True)
class RunView:
    """A run at one moment. The tuples ascend by their steps."""

    name: str
    state: State
    step: int = 0
    total_steps: int | None = None
    started: RunStarted | None = None
    steps: tuple[StepFinished, ...] = ()
    evaluations: tuple[EvaluationFinished, ...] = ()
    best: EvaluationFinished | None = None
    samples: tuple[SampleGenerated, ...] = ()
    log: tuple[LogLine, ...] = ()
    finished: events.RunFinished | None = None
    failure: events.RunFailed | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a process has the run."""
        return self.state in ("preparing", "training")

    @property
    def last_step(self) -> StepFinished | None:
        return self.steps[-1] if self.steps else None

    @property
    def smoothed_loss(self) -> float | None:
        """The training loss now, over about the last hundredth of the training, in nats per token."""
        recent = [step.loss for step in self.steps[-max(20, len(self.steps) // 50) :]]
        return smoothed(recent, 0.9)[-1] if recent else None

    @property
    def ends_at(self) -> float | None:
        """When the training ends if it goes on as it does, in seconds since the epoch."""
        last = self.last_step
        return None if last is None or self.state != "training" else last.time + last.eta_s


class RunFeed:
    """Follows one run. Raises RunError where the folder holds no run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._follower = Follower(folder)
        self._restarts = self._follower.restarts
        self._log: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._was_locked: bool | None = None

    def poll(self) -> RunView | None:
        """The run as it is now; None where nothing has changed since the last call. Raises RunError."""
        locked = is_locked(self.folder)
        new = self._follower.poll()
        if self._follower.restarts != self._restarts:
            self._restarts = self._follower.restarts
            self._log.clear()
        self._log.extend(line for event in new if (line := log_line(event)) is not None)
        if not new and locked == self._was_locked:
            return None
        self._was_locked = None
        with contextlib.suppress(OSError):  # a file of the run went meanwhile; the next call tries again
            state = state_of(summarize(self.folder))
            self._was_locked = locked
            return _view(self.folder.name, self._follower.history, state, tuple(self._log))
        return None


def _view(name: str, history: History, state: State, log: tuple[LogLine, ...]) -> RunView:
    ended = history.ended
    return RunView(
        name=name,
        state=state,
        step=history.step,
        total_steps=history.total_steps,
        started=history.started,
        steps=tuple(history.steps),
        evaluations=tuple(history.evaluations),
        best=history.best,
        samples=tuple(history.samples),
        log=log,
        finished=ended if isinstance(ended, events.RunFinished) else None,
        failure=ended if isinstance(ended, events.RunFailed) and state == "failed" else None,
    )


def log_line(event: Event) -> LogLine | None:
    """The line of an event in the log; None for steps and samples, which have their own places."""
    words = None if isinstance(event, _WITHOUT_LINE) else describe(event)
    if words is None:
        return None
    level: Level = "plain"
    if isinstance(event, _WARNINGS) or (isinstance(event, events.NoticeGiven) and event.is_warning):
        level = "warning"
    elif isinstance(event, events.RunFailed):
        level = "error"
    elif isinstance(event, events.RunFinished) or (isinstance(event, EvaluationFinished) and event.best):
        level = "good"
    return LogLine(event.time, words.text, level)
