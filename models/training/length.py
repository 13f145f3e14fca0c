"""How long a training goes on: minutes, steps or epochs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.config import TrainingConfig
from models.runs.events import Event
from models.runs.run_config import RunConfig
from models.runs.run_state import RunState, Schedule

if TYPE_CHECKING:
    from models.training.session import Session

REWARM_SAME_TEXT = 0.15
"""Share of the peak rate at which a finished run goes on with its own text. More learns more in the end
and loses more on the way: at 0.3 a model that had just grown rose by 0.051 nats before it fell, at 0.2 by
0.024, at 0.1 by 0.001."""
REWARM_OTHER_TEXT = 0.3
"""Share of the peak rate for another text: there is more to learn, and replay keeps what was learned."""


@dataclass(frozen=True, slots=True)
class Length:
    """How much training lies ahead. Where no field is set, the schedule stands already."""

    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    deadline: float | None = None
    """On the training's clock (`Control.now`)."""
    extends: bool = False
    """Whether this is more training for a run that has some."""
    rewarm_scale: float | None = None
    """Share of the peak rate to rise to again, where an earlier training had ended."""
    is_planned: bool = False
    """Whether the schedule of the minutes stands already: they were begun in an earlier sitting."""

    @property
    def budget_s(self) -> float | None:
        """Seconds in all, None where the length is not a time."""
        return None if self.minutes is None else 60 * self.minutes

    @classmethod
    def of(
        cls, config: RunConfig, training: TrainingConfig, state: RunState | None, began: float, now: float
    ) -> "Length":
        """The length of the training of a run whose newest checkpoint has `state`.

        On the training's clock, `began` is when the user started to wait: new minutes count from there. What
        was left of minutes at that checkpoint counts from `now`: processes that are started again after a
        failure have the `began` of the first ones.
        """
        if state is None or state.is_initial:
            epochs = training.epochs
            if (training.minutes, training.steps, epochs) == (None, None, None):
                epochs = 1.0
            deadline = None if training.minutes is None else began + 60 * training.minutes
            rewarm = None if state is None else REWARM_OTHER_TEXT
            return cls(training.minutes, training.steps, epochs, deadline=deadline, rewarm_scale=rewarm)
        extension = config.extension
        if extension is None or extension.from_step != state.counters.step:
            minutes = (extension or training).minutes
            if minutes is None or state.seconds_left is None:
                return cls()
            return cls(minutes, deadline=now + state.seconds_left, is_planned=True)
        return cls(
            extension.minutes,
            extension.steps,
            deadline=None if extension.minutes is None else began + 60 * extension.minutes,
            extends=True,
            rewarm_scale=None if state.ended is None else REWARM_SAME_TEXT,
        )


def plan_steps(session: "Session", length: Length) -> Iterator[Event]:
    """Give `session` the schedule that `length` asks for, where it asks for one."""
    if length.is_planned:
        return
    step, budget, sampler = session.counters.step, session.time_budget, session.task.sampler
    if length.minutes is not None:
        now = session.control.now()
        reserve_s = session.task.reserve_s(budget, 0.0, budget.left_s(now))
        steps = budget.steps_left(0.0, step, now, reserve_s)
    elif length.steps is not None:
        steps = length.steps
    elif length.epochs is not None:
        steps = max(1, round(length.epochs * sampler.blocks_per_epoch / session.config.batch_size))
    else:
        return
    if length.extends and length.rewarm_scale is None:
        session.schedule = session.schedule.ending_at(step + steps, step)
    else:
        session.schedule = Schedule.over(
            step, step + steps, length.rewarm_scale or 1.0, session.config.warmup_steps
        )
        session.counters.without_better = 0
    if length.minutes is not None:
        yield budget.planned(step, step + steps, session.schedule.progress(step))
