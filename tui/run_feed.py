"""What a run's log says, as the dashboard shows it. Needs neither torch nor textual.

`RunFeed` belongs to the thread that follows the log. It hands out views, which nobody changes.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data.errors import RlmError
from models.runs import events
from models.runs.detached_output import OUTPUT_FILE
from models.runs.evaluation import Evaluation
from models.runs.event_words import describe
from models.runs.events import EvaluationFinished, Event, RunStarted, SampleGenerated, StepFinished
from models.runs.follow import Follower
from models.runs.history import History
from models.runs.listing import RunSummary, summarize
from models.runs.lock import is_locked
from models.runs.loss_curves import smoothed
from models.runs.run import Run
from tui.run_list import State, state_of

Progress = events.PreparationAdvanced | events.EvaluationAdvanced
Level = Literal["plain", "good", "warning", "error"]
HappeningKind = Literal["left out", "went back", "grown"]
"""A step that was skipped, a rollback, a growth of the model."""
MAX_LINES = 500
_MAX_HAPPENINGS = 1000
_WARNINGS = (events.StepSkipped, events.RolledBack, events.MicroBatchHalved)
_WITHOUT_LINE = (StepFinished, SampleGenerated)
_NO_MILESTONES = (events.NoticeGiven, EvaluationFinished, events.CorporaMeasured)


@dataclass(frozen=True, slots=True)
class LogLine:
    """What happened, in words. They may hold settings and commands in braces."""

    time: float
    text: str
    level: Level = "plain"
    is_milestone: bool = False
    """Whether it tells what happened to the training, and not what was measured or assumed."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something at one step that a chart of the losses marks."""

    step: int
    kind: HappeningKind


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
    happenings: tuple[Happening, ...] = ()
    """The last ones."""
    counts: Mapping[HappeningKind, int] = field(default_factory=dict)
    """How many there were of each kind."""
    checkpoint: events.CheckpointSaved | None = None
    """The newest one."""
    evaluation: Evaluation | None = None
    """Of a training on text that has finished."""
    solves_puzzles: bool = False
    problem: str | None = None
    """Why the run is damaged. It may hold settings and commands in braces."""
    finished: events.RunFinished | None = None
    failure: events.RunFailed | None = None
    progress: Progress | None = None
    """What the training is at between two steps, where that takes long."""

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
        self._run = Run(folder.resolve())
        self._follower = Follower(folder)
        self._restarts = self._follower.restarts
        self._seen: object = None
        """What the last view depends on besides the log."""
        self._forget()

    def _forget_after_restart(self) -> None:
        if self._follower.restarts != self._restarts:
            self._restarts = self._follower.restarts
            self._forget()

    def _forget(self) -> None:
        self._log: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._happenings: deque[Happening] = deque(maxlen=_MAX_HAPPENINGS)
        self._counts: Counter[HappeningKind] = Counter()
        self._checkpoint: events.CheckpointSaved | None = None

    def poll(self) -> RunView | None:
        """The run as it is now; None where nothing has changed since the last call. Raises RunError."""
        locked, is_new = is_locked(self.folder), False
        for piece in self._follower.pieces():
            is_new = is_new or bool(piece)
            self._forget_after_restart()
            for event in piece:
                self._take(event)
        self._forget_after_restart()
        seen = locked, self._follower.history.progress, _changed(self.folder / OUTPUT_FILE)
        if not is_new and seen == self._seen:
            return None
        self._seen = None
        with contextlib.suppress(OSError):  # a file of the run went meanwhile; the next call tries again
            summary = summarize(self.folder)
            self._seen = seen
            return self._view(self._follower.history, summary)
        return None

    def _take(self, event: Event) -> None:
        if (line := log_line(event)) is not None:
            self._log.append(line)
        match event:
            case events.CorpusStarted() | events.VersionRestored():
                self._happenings.clear()
                self._counts.clear()
            case events.StepSkipped():
                self._note(event.step, "left out")
            case events.RolledBack():
                self._note(event.step, "went back")
            case events.ModelExpanded():
                self._note(event.step, "grown")
            case events.CheckpointSaved():
                self._checkpoint = event

    def _note(self, step: int, kind: HappeningKind) -> None:
        self._happenings.append(Happening(step, kind))
        self._counts[kind] += 1

    def _view(self, history: History, summary: RunSummary) -> RunView:
        state = state_of(summary)
        ended, evaluation = history.ended, None
        log = tuple(self._log)
        if summary.failure not in (None, ended) and (line := log_line(summary.failure)) is not None:
            log += (line,)  # the log itself could not be written any more
        if isinstance(ended, events.RunFinished) and not summary.solves_puzzles:
            with contextlib.suppress(RlmError):
                found = self._run.evaluation()
                evaluation = found if isinstance(found, Evaluation) else None
        return RunView(
            name=self.folder.name,
            state=state,
            step=history.step,
            total_steps=history.total_steps,
            started=history.started,
            steps=tuple(history.steps),
            evaluations=tuple(history.evaluations),
            best=history.best,
            samples=tuple(history.samples),
            log=log,
            happenings=tuple(self._happenings),
            counts=dict(self._counts),
            checkpoint=self._checkpoint,
            evaluation=evaluation,
            solves_puzzles=summary.solves_puzzles,
            problem=summary.problem,
            finished=ended if isinstance(ended, events.RunFinished) else None,
            failure=summary.failure,
            progress=history.progress if state in ("preparing", "training") else None,
        )


def _changed(path: Path) -> int | None:
    """When a file was changed; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


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
    return LogLine(event.time, words.text, level, not isinstance(event, _NO_MILESTONES))
