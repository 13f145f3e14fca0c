"""How long a run trains: minutes, steps or epochs, for a new run or for more of an old one."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models.config import TrainingConfig
from models.growth.initial_snapshot import has_no_steps_yet
from models.runs.checkpoint import Snapshot
from models.runs.events import Event, ScheduleSettled
from models.training.schedule import Schedule
from models.training.session import Session
from models.training.time_budget import Pace

REWARMED = 0.15
"""Share of the peak rate a finished run is taken up again with, on its own text. More learns more in
the end and loses more on the way: 0.3 let a model that had just grown rise by 0.051 nats before it
fell, 0.2 by 0.024, 0.1 by 0.001."""
REWARMED_FOR_ANOTHER_TEXT = 0.3
"""There is more to learn there than to keep, and replay does the keeping."""


@dataclass(frozen=True, slots=True)
class Length:
    """What is left to settle when a run is opened. All None: its schedule stands already."""

    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    deadline: float | None = None
    """On the clock of time.monotonic()."""
    extends: bool = False
    """Whether this is more training for a run that has some."""
    rewarmed: float | None = None
    """Share of the peak rate it rises to anew, where what it learned before had ended."""

    @property
    def budget_s(self) -> float | None:
        return None if self.minutes is None else 60 * self.minutes

    @classmethod
    def of(
        cls, config: dict[str, Any], training: TrainingConfig, snapshot: Snapshot | None, began: float
    ) -> "Length":
        """The length of a run that was opened at `began` (time.monotonic())."""
        if snapshot is None or has_no_steps_yet(snapshot):
            minutes = training.minutes
            # The clock started with the first look at the text, unless the run was opened before
            # and paused since, or waited another day to be.
            since = time.time() - config["started_at"]
            if minutes is not None and 0 <= since < 30 * minutes and not config.get("opened"):
                began = time.monotonic() - since
            deadline = None if minutes is None else began + 60 * minutes
            said = (minutes, training.steps, training.epochs)
            epochs = 1.0 if said == (None, None, None) else training.epochs
            return cls(
                minutes,
                training.steps,
                epochs,
                deadline,
                rewarmed=None if snapshot is None else REWARMED_FOR_ANOTHER_TEXT,
            )
        extension = config.get("extension")
        if extension is None or extension["from_step"] != snapshot.step:
            return cls()
        minutes = extension["minutes"]
        return cls(
            minutes,
            extension["steps"],
            deadline=None if minutes is None else began + 60 * minutes,
            extends=True,
            rewarmed=None if snapshot.state["ended"] is None else REWARMED,
        )


def settle(session: Session, pace: Pace, length: Length) -> Iterator[Event]:
    """Give `session` the schedule that `length` asks for, where it asks for one."""
    step = session.counters.step
    if length.minutes is not None:
        steps = pace.steps_left(0.0, step)
    elif length.steps is not None:
        steps = length.steps
    elif length.epochs is not None:
        steps = max(1, round(length.epochs * session.sampler.blocks_per_epoch / session.config.batch_size))
    else:
        return
    if length.extends and length.rewarmed is None:
        session.schedule = session.schedule.ending_at(step + steps, step)
    else:
        session.schedule = Schedule.over(step, step + steps, length.rewarmed or 1.0)
        session.counters.without_better = 0
    if length.minutes is not None:
        seconds = pace.mean_step_s(session.schedule.progress(step))
        yield ScheduleSettled(step=step, total_steps=step + steps, seconds_per_step=seconds)
