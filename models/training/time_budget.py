"""Minutes into steps: how many fit, first from a measurement, then from how it really goes."""

import time
from dataclasses import dataclass

from models.config import TrainingConfig
from models.evaluation.modes import default_depth, final_cost_s
from models.recursion import Depth
from models.recursive_lm import RecursiveLM
from models.training.calibrate import Measured

MIN_STEPS = 10
LOOKS = 40
"""Times over a run that its pace is looked at."""
FINAL_SHARE = 0.15
"""The most of a run's time that its last evaluation may take; beyond it, it reads a part."""
_PATIENCE_S = 180.0
"""What it may take in any case where no time was promised: a short run on a huge text is not to
end in an hour of reading."""

FORWARD_SHARE = 0.35
"""Of a training step's time, what its forward pass would take without gradients."""
SAVING_S = 1.5
"""What writing the last files takes."""
_SAMPLE_S = 0.5
_TOLERANCE = 0.03


@dataclass(slots=True)
class Pace:
    """Expected seconds of everything that lies ahead. `slowness` is real over measured time."""

    model: RecursiveLM
    config: TrainingConfig
    measured: Measured
    validation_tokens: int
    budget_s: float | None
    deadline: float | None
    """On the clock of time.monotonic(); None where the length is not a time."""
    most_steps: int | None = None
    """The step at which the text has been read often enough; None where it never is."""
    slowness: float = 1.0
    known_tokens: int = 0
    """Held-out tokens of all texts the model knows, read once at the start and once at the end."""

    def expected_s(self, depth: Depth) -> float:
        """Seconds of a step at `depth`, as measured before training."""
        calls = self.model.attention_calls
        return self.measured.step_s(calls(depth), calls(Depth(1)), calls(self.model.trained_depth))

    def mean_step_s(self, progress: float) -> float:
        """Mean seconds of the steps after `progress`, their depths sampled."""
        trained = self.model.trained_depth
        depths = [Depth(n, t) for n in range(1, trained.cycles + 1) for t in range(1, trained.steps + 1)]
        uniform = sum(map(self.expected_s, depths)) / len(depths)
        share = self.config.deepest_share
        sampled = share * self.expected_s(trained) + (1.0 - share) * uniform
        late = max(0.0, self.config.late_recursion - progress) / max(1e-9, 1.0 - progress)
        return late * self.expected_s(Depth(1)) + (1.0 - late) * sampled

    def steps_left(self, progress: float, step: int) -> int:
        """Steps from `step` on that fit before the deadline, everything else allowed for.

        A new run gets a few in any case; one under way stops when its time is up.
        """
        assert self.deadline is not None, "only a time can be turned into steps"
        seconds = self.deadline - time.monotonic() - self._reserve_s(progress)
        fitting = int(seconds / (self.mean_step_s(progress) * self.slowness))
        if self.most_steps is not None:
            fitting = min(fitting, self.most_steps - step)
        return max(MIN_STEPS if progress == 0.0 else 1, fitting)

    def learn(self, real_s: float, expected_s: float) -> None:
        """Take in how long a stretch of steps really took."""
        if expected_s > 0:
            self.slowness = 0.3 * self.slowness + 0.7 * real_s / expected_s

    def final_evaluation(self, run_s: float) -> tuple[float, int | None]:
        """Seconds the last evaluation may take after `run_s`, and the tokens it may read then
        (None: all there are)."""
        if self.budget_s is None:
            most_s = max(_PATIENCE_S, FINAL_SHARE * run_s)
        else:
            most_s = max(2.0, FINAL_SHARE * self.budget_s)
        whole_s = final_cost_s(self.model, self.validation_tokens, self._call_token_s())
        return most_s, None if whole_s <= most_s else int(self.validation_tokens * most_s / whole_s)

    def _reserve_s(self, progress: float) -> float:
        """Seconds that are not steps: what comes after the last, and evaluations on the way."""
        whole_s = final_cost_s(self.model, self.validation_tokens, self._call_token_s())
        calls = self.model.attention_calls(default_depth(self.model))
        read = min(self.config.evaluation_tokens, self.validation_tokens)
        on_the_way = self.config.evaluations * read * calls * self._call_token_s()
        on_the_way += self.config.samples * _SAMPLE_S
        known_s = self.known_tokens * calls * self._call_token_s() * (2.0 if progress == 0.0 else 1.0)
        judging_s = min(whole_s, self.final_evaluation(0.0)[0])
        return judging_s + known_s + (1.0 - progress) * on_the_way + SAVING_S

    def _call_token_s(self) -> float:
        """Seconds of one attention call for one token, forward only."""
        calls = self.model.attention_calls(self.model.trained_depth)
        tokens = self.config.batch_size * self.model.config.context_length
        return FORWARD_SHARE * self.measured.deep_step_s * self.slowness / (calls * tokens)

    @staticmethod
    def worth_moving(planned: int, possible: int) -> bool:
        """Whether the steps left have to be planned anew."""
        return abs(possible - planned) > max(2, _TOLERANCE * planned)
