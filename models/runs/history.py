"""The one fold from a run's events to what is true now.

A log only grows. After a crash, a rollback or a resume from an earlier checkpoint some of its lines
tell of steps that were undone, and a run that learns several texts counts its steps from 0 again for
each. `History` takes the events one after another, from a log or live, and holds what is left.
"""

import math
from typing import Literal, TypeVar

from models.runs.events import (
    CorporaMeasured,
    CorpusStarted,
    EvaluationAdvanced,
    EvaluationFinished,
    Event,
    ModelExpanded,
    NoticeGiven,
    PreparationAdvanced,
    RolledBack,
    RunFailed,
    RunFinished,
    RunPaused,
    RunStarted,
    SampleGenerated,
    SchedulePlanned,
    StepFinished,
    VersionRestored,
)
from models.runs.run_config import RunConfig

Phase = Literal["new", "preparing", "training", "paused", "failed", "finished"]
Stepped = TypeVar("Stepped", EvaluationFinished, SampleGenerated, ModelExpanded)

MAX_POINTS = 4096
"""Steps that are held at most: the distance between them doubles whenever there are more."""
_MAX_NOTICES = 100
_MAX_SAMPLES = 200


class History:
    """What the events so far say of the text a run is at. Lists are in the order of their steps."""

    def __init__(self, since: float | None = None) -> None:
        """Events from before `since`, in seconds since the epoch, are ignored: see `text_started_at`."""
        self.started: RunStarted | None = None
        self.ended: RunPaused | RunFailed | RunFinished | None = None
        """How the last training ended; None while one is under way, and after a crash."""
        self.step = 0
        self.total_steps: int | None = None
        self.seconds_per_step: float | None = None
        """As planned last."""
        self.evaluations: list[EvaluationFinished] = []
        self.samples: list[SampleGenerated] = []
        self.growths: list[ModelExpanded] = []
        self.texts: list[CorpusStarted] = []
        """The texts after the first one."""
        self.measured: CorporaMeasured | None = None
        """The last losses on each text the model knows."""
        self.notices: list[str] = []
        """Each once, the last one last."""
        self.progress: PreparationAdvanced | EvaluationAdvanced | None = None
        """What is under way between two steps. It comes with live events; a log has none."""
        self._since = since
        self._points = _Points()

    def add(self, event: Event) -> None:
        """Take in the next event."""
        if self._since is not None and event.time < self._since:
            return
        if isinstance(event, PreparationAdvanced | EvaluationAdvanced):
            self.progress = event
            return
        self.progress = None
        match event:
            case RunStarted() | RunPaused() | RunFailed() | RunFinished():
                self._start_or_end(event)
            case StepFinished():
                self._take_step(event)
            case RolledBack():
                self._go_back_to(event.to_step)
            case SchedulePlanned():
                self.total_steps, self.seconds_per_step = event.total_steps, event.seconds_per_step
            case EvaluationFinished():
                _put(self.evaluations, event)
            case SampleGenerated():
                self._take_sample(event)
            case ModelExpanded():
                _put(self.growths, event)
            case CorpusStarted():
                self._start_text(event)
            case VersionRestored():
                self._start_over()
            case CorporaMeasured():
                self.measured = event
            case NoticeGiven():
                self.notices = [*(old for old in self.notices if old != event.message), event.message]
                del self.notices[:-_MAX_NOTICES]

    @property
    def phase(self) -> Phase:
        """Where the training is, by its events alone: after a crash they still say "training"."""
        if isinstance(self.progress, PreparationAdvanced):
            return "preparing"
        match self.ended:
            case RunFinished():
                return "finished"
            case RunFailed():
                return "failed"
            case RunPaused():
                return "paused"
        return "new" if self.started is None and self.last_step is None else "training"

    @property
    def steps(self) -> list[StepFinished]:
        """The steps that count, ascending: the first, the last, and an even choice of those between."""
        return self._points.all()

    @property
    def last_step(self) -> StepFinished | None:
        return self._points.last

    @property
    def best(self) -> EvaluationFinished | None:
        """The evaluation whose weights are the best so far."""
        marked = [evaluation for evaluation in self.evaluations if evaluation.best]
        if marked:
            return marked[-1]
        finite = [one for one in self.evaluations if math.isfinite(one.validation_loss)]
        return min(finite, key=lambda one: one.validation_loss, default=None)

    @property
    def validation_loss(self) -> float | None:
        """The final loss of a finished run, else that of the best evaluation, in nats per token."""
        ended = self.ended if isinstance(self.ended, RunFinished) else self.best
        return ended.validation_loss if ended is not None and math.isfinite(ended.validation_loss) else None

    def passes_over(self, step: int) -> bool:
        """Whether a step of that number is not held once a later one follows it."""
        return self._points.passes_over(step)

    def loss_curve(self) -> list[tuple[int, float]]:
        """Step and training loss of `steps`."""
        return [(event.step, event.loss) for event in self.steps]

    def validation_curve(self) -> list[tuple[int, float]]:
        """Step and validation loss of the evaluations."""
        return [(event.step, event.validation_loss) for event in self.evaluations]

    def _start_or_end(self, event: RunStarted | RunPaused | RunFailed | RunFinished) -> None:
        match event:
            case RunStarted():
                self.started, self.ended, self.total_steps = event, None, event.total_steps
                self._go_back_to(event.start_step)
            case RunPaused():
                self.ended, self.total_steps = event, event.total_steps or None
                self._go_back_to(event.step)
            case RunFailed():
                self.ended = event
            case RunFinished():
                self.ended, self.step = event, event.step

    def _take_step(self, event: StepFinished) -> None:
        if event.step <= self.step:  # taken a second time
            self._go_back_to(event.step - 1)
        self.ended, self.step, self.total_steps = None, event.step, event.total_steps
        self._points.add(event)

    def _take_sample(self, event: SampleGenerated) -> None:
        """Several prompts may have a sample at one step."""
        last = [one for one in self.samples if one.step == event.step and one.prompt != event.prompt]
        _put(self.samples, event)
        self.samples[-1:-1] = last
        del self.samples[:-_MAX_SAMPLES]

    def _start_text(self, event: CorpusStarted) -> None:
        self._go_back_to(-1)
        self.step = 0
        last = self.texts[-1] if self.texts else None
        if last is not None and (last.corpus, last.known_corpora) == (event.corpus, event.known_corpora):
            self.texts.pop()  # a crash before its first step
        self.texts.append(event)

    def _start_over(self) -> None:
        """Forget everything but the notices and the texts."""
        self._go_back_to(-1)
        self.step = 0
        self.started = self.ended = self.total_steps = self.seconds_per_step = None

    def _go_back_to(self, step: int) -> None:
        """Forget what came after `step`."""
        self.step = step
        self._points.drop_after(step)
        self.evaluations = [event for event in self.evaluations if event.step <= step]
        self.samples = [event for event in self.samples if event.step <= step]
        self.growths = [event for event in self.growths if event.step <= step]
        if self.measured is not None and self.measured.step > step:
            self.measured = None


def text_started_at(config: RunConfig) -> float | None:
    """When a run started on the text it learns now, in seconds since the epoch; None where it is its first.

    The log's events from before that time belong to earlier texts.
    """
    return config.started_at if config.replay is not None else None


class _Points:
    """Steps of a training, ascending: all of them, or one in `stride` where there are too many."""

    def __init__(self) -> None:
        self.last: StepFinished | None = None
        self._held: list[StepFinished] = []
        self._stride = 1

    def add(self, event: StepFinished) -> None:
        self.last = event
        if self.passes_over(event.step):
            return
        self._held.append(event)
        if len(self._held) > MAX_POINTS:
            self._stride *= 2
            first, *others = self._held
            self._held = [first, *(one for one in others if one.step % self._stride == 0)]

    def passes_over(self, step: int) -> bool:
        return bool(self._held) and step % self._stride != 0

    def drop_after(self, step: int) -> None:
        while self._held and self._held[-1].step > step:
            self._held.pop()
        if self.last is not None and self.last.step > step:
            self.last = self._held[-1] if self._held else None
        if not self._held:
            self._stride = 1

    def all(self) -> list[StepFinished]:
        if self.last is None or (self._held and self._held[-1] is self.last):
            return list(self._held)
        return [*self._held, self.last]


def _put(entries: list[Stepped], event: Stepped) -> None:
    """Append `event`, in the place of those of the same step and of later ones."""
    while entries and entries[-1].step >= event.step:
        entries.pop()
    entries.append(event)
