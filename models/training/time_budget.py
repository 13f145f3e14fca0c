"""How many steps fit into the minutes of a training, with everything else that takes time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data.wording import counted
from models.config import TrainingConfig
from models.depth import Depth
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, SchedulePlanned
from models.runs.run_config import Calibration
from models.training.length import Length

if TYPE_CHECKING:
    from models.training.session import Session

MIN_STEPS = 10
REPLANS = 40
"""Times over a training that the steps left are planned again."""
FINAL_EVALUATION_SHARE = 0.1
"""The most of a training's time that its last evaluation may take; if it would take more, it reads a part."""
FINAL_EVALUATION_S = 180.0
"""Seconds the last evaluation may take in any case where the length is not a time."""
FORWARD_SHARE = 0.35
"""The part of a training step's time that its forward pass takes without gradients."""
END_S, END_SHARE = 0.5, 0.03
"""Seconds that are kept for what follows the last evaluation, and the most of a training's time that they may
be: files are written, the result is shown, and the process ends."""
ON_THE_WAY_SHARE = 0.25
"""The most of the time left that is kept for evaluations and samples on the way. What they take is only
known when the speed is: where the first steps are slow, they would take all of it."""
SAVE_SHARE = 0.02
"""The most of a training's time that its checkpoints take; where they are slow, they are further apart."""
SAVE_SIZE = 4
"""The size of a checkpoint as a multiple of the weights, about: the moments and the average come on top."""
SAVE_RATE = 200e6
"""Bytes in a second that a checkpoint is written with, about, until one was written."""
ANNOUNCED_CHANGE = 0.25
"""The share of the steps by which a plan must change before the user is told again."""
NEWEST_WEIGHT, NEWEST_S = 0.7, 1.5
"""What the steps since the last plan count among all, and the seconds of them from which they count so much.
Fewer count less: other work of the machine makes single steps slow, and the next plan would be as wrong."""
TOLERANCE = 0.03
"""The share of the steps left by which they may differ from what fits before they are planned again."""
SPARE_SHARE = 0.05
"""The share of the minutes that may be left over after the last step. With more, the training goes on."""


@dataclass(slots=True)
class TimeBudget:
    """The expected seconds of everything that lies ahead."""

    model: RecursiveLM
    config: TrainingConfig
    calibration: Calibration
    length: Length = field(default_factory=Length)
    max_step: int | None = None
    """The step at which the text has been read `max_epochs` times; None where there is no such limit."""
    announced_steps: int | None = None
    """The last step when the plan was last told to the user."""
    is_too_short: bool = False
    """Whether a new training has MIN_STEPS planned, though fewer fit into its time."""
    slowdown: float = 1.0
    """Real over calibrated step time."""
    save_s: float = 0.0
    """Seconds of one checkpoint: of the last one, or before it an estimate."""
    _real_s: float = 0.0
    _expected_s: float = 0.0

    def __post_init__(self) -> None:
        weights = sum(parameter.nbytes for parameter in self.model.parameters())
        self.save_s = SAVE_SIZE * weights / SAVE_RATE

    @property
    def budget_s(self) -> float | None:
        """Seconds in all; None where the length is not a time."""
        return self.length.budget_s

    @property
    def deadline(self) -> float | None:
        """On the training's clock (`Control.now`); None where the length is not a time."""
        return self.length.deadline

    def expected_s(self, depth: Depth) -> float:
        """Seconds of a step at `depth`, as calibrated before training."""
        calls = self.model.attention_calls
        return self.calibration.step_s(calls(depth), calls(Depth(1)), calls(self.model.trained_depth))

    def mean_step_s(self, progress: float) -> float:
        """Mean seconds of the steps after `progress` (0 to 1), over the depths that are sampled there."""
        trained = self.model.trained_depth
        depths = [Depth(n, t) for n in range(1, trained.cycles + 1) for t in range(1, trained.steps + 1)]
        uniform = sum(map(self.expected_s, depths)) / len(depths)
        full = self.config.full_depth_prob
        sampled = full * self.expected_s(trained) + (1.0 - full) * uniform
        shallow = max(0.0, self.config.shallow_fraction - progress) / max(1e-9, 1.0 - progress)
        return shallow * self.expected_s(Depth(1)) + (1.0 - shallow) * sampled

    def steps_left(self, progress: float, step: int, now: float, reserve_s: float) -> int:
        """Steps after `step` that fit before the deadline, with `reserve_s` seconds kept for the rest.

        A new training gets a few in any case; one under way gets at least one.
        """
        steps = self._fitting(progress, step, self.left_s(now) - reserve_s)
        if progress == 0.0:
            self.is_too_short = steps < MIN_STEPS
        return max(MIN_STEPS if progress == 0.0 else 1, steps)

    def spare_steps(self, step: int, now: float, reserve_s: float) -> int:
        """Steps for which there is time after the last planned `step`; 0 where little time is left over."""
        assert self.budget_s is not None, "only a time can be left over"
        seconds = self.left_s(now) - reserve_s
        return max(0, self._fitting(1.0, step, seconds)) if seconds > SPARE_SHARE * self.budget_s else 0

    def left_s(self, now: float) -> float:
        """Seconds from `now` to the deadline, below 0 after it."""
        assert self.deadline is not None, "only a time can be turned into steps"
        return self.deadline - now

    def _fitting(self, progress: float, step: int, seconds: float) -> int:
        """Steps that fit into `seconds`, with their checkpoints, below 0 where those alone take longer."""
        seconds -= self.saving_s(seconds, progress)
        steps = int(seconds / (self.mean_step_s(progress) * self.slowdown))
        return steps if self.max_step is None else min(steps, self.max_step - step)

    def on_the_way_s(self, needed_s: float, progress: float, left_s: float) -> float:
        """Seconds to keep for evaluations and samples after `progress` (0 to 1), which take `needed_s` over
        a whole training, where `left_s` are left. One of them follows the last step."""
        share = max(1.0 - progress, 1.0 / max(1, self.config.evaluations))
        return min(share * needed_s, ON_THE_WAY_SHARE * max(0.0, left_s))

    def save_is_due(self, since_s: float) -> bool:
        """Whether to save so many seconds after the last checkpoint: as often as configured, but so that all
        checkpoints together take SAVE_SHARE of the time at most. 0 minutes is after every step, always."""
        interval_s = 60 * self.config.checkpoint_minutes
        return since_s > interval_s and (interval_s == 0 or self.can_save(since_s))

    def can_save(self, since_s: float) -> bool:
        """Whether a checkpoint so many seconds after the last one takes SAVE_SHARE of the time at most."""
        return self.save_s <= SAVE_SHARE * since_s

    def saving_s(self, seconds: float, progress: float) -> float:
        """Seconds of the checkpoints and best weights in the next `seconds`, from `progress` (0 to 1) on,
        and of the last checkpoint."""
        evaluations = self.config.evaluations * (1.0 - progress)
        saves = evaluations + seconds / max(60 * self.config.checkpoint_minutes, self.save_s / SAVE_SHARE)
        on_the_way_s = min(saves * self.save_s, SAVE_SHARE * seconds)
        return on_the_way_s + self.save_s + evaluations * self.save_s / SAVE_SIZE

    def count_step(self, depth: Depth, real_s: float) -> None:
        """Note how long a step at `depth` really took."""
        self._real_s += real_s
        self._expected_s += self.expected_s(depth)

    def update(self) -> None:
        """Take the steps since the last update into `slowdown`."""
        if self._expected_s > 0:
            weight = 1.0 - (1.0 - NEWEST_WEIGHT) ** min(1.0, self._real_s / NEWEST_S)
            self.slowdown += weight * (self._real_s / self._expected_s - self.slowdown)
        self._real_s = self._expected_s = 0.0

    def replan(self, session: "Session") -> Iterator[Event]:
        """Plan the steps left again where the machine turned out slower or faster than calibrated. Where the
        last step is taken and much time is left, go on."""
        self.update()
        if self.deadline is None or session.ended is not None or session.control.wants("stop"):
            return
        step, schedule, now = session.counters.step, session.schedule, session.control.now()
        progress = schedule.progress(step)
        reserve_s = session.task.reserve_s(self, progress, self.left_s(now))
        if step >= schedule.last_step:
            spare = self.spare_steps(step, now, reserve_s)
            if spare == 0:
                return
            session.schedule = schedule.going_on_to(step + spare)
        else:
            possible = self.steps_left(progress, step, now, reserve_s)
            if not is_worth_replanning(schedule.last_step - step, possible):
                return
            session.schedule = schedule.ending_at(step + possible, step)
        yield self.planned(step, session.schedule.last_step, progress, before=schedule.last_step)

    def planned(
        self, step: int, last_step: int, progress: float, before: int | None = None
    ) -> SchedulePlanned:
        """The event of a plan up to `last_step`, where `before` was the last step until now."""
        announced = before if self.announced_steps is None else self.announced_steps
        announces = announced is None or abs(last_step - announced) >= ANNOUNCED_CHANGE * announced
        if announces:
            self.announced_steps = last_step
        if last_step == self.max_step:
            reason = f"the text has been read {counted(self.config.max_epochs or 0, 'time')} by then"
        elif before is None:
            reason = ""
        else:
            compared = announced if announces and announced is not None else before  # as the user knows it
            if last_step < compared and self.is_too_short:
                reason = "no more fit into the time"
            else:
                reason = f"the machine has become {'slower' if last_step < compared else 'faster'}"
        return SchedulePlanned(
            step=step,
            total_steps=last_step,
            seconds_per_step=self.mean_step_s(progress) * self.slowdown,
            reason=reason,
            instead_of=(announced or 0) if announces else 0,
        )

    def end_reason(self, last_step: int) -> str:
        """Why a training ends at its last step, as RunFinished has it."""
        if self.budget_s is None:
            return "steps"
        return "epochs" if last_step == self.max_step else "time"

    def final_evaluation_s(self, elapsed_s: float = 0.0) -> float:
        """Seconds that the last evaluation may take after a training of `elapsed_s`."""
        if self.budget_s is None:
            return max(FINAL_EVALUATION_S, FINAL_EVALUATION_SHARE * elapsed_s)
        return FINAL_EVALUATION_SHARE * self.budget_s

    def end_s(self) -> float:
        """Seconds to keep for what follows the last evaluation."""
        return END_S if self.budget_s is None else min(END_S, END_SHARE * self.budget_s)

    def call_token_s(self) -> float:
        """Seconds of one attention call for one token, forward only."""
        calls = self.model.attention_calls(self.model.trained_depth)
        tokens = self.config.batch_size * self.model.config.context_length
        return FORWARD_SHARE * self.calibration.deep_step_s * self.slowdown / (calls * tokens)


def is_worth_replanning(planned: int, possible: int) -> bool:
    """Whether `possible` steps differ enough from the `planned` ones to plan again."""
    return abs(possible - planned) > max(2, TOLERANCE * planned)
