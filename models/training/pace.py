"""Minutes into steps: how many fit, first from a measurement, then from how it really goes."""

from dataclasses import dataclass

from models.config import TrainingConfig
from models.recursion import Depth
from models.recursive_lm import RecursiveLM
from models.training.measure import Measured

MIN_STEPS = 10
_TOLERANCE = 0.02


@dataclass(slots=True)
class Pace:
    """Expected seconds of steps. `slowness` is real over measured time, about one."""

    model: RecursiveLM
    config: TrainingConfig
    measured: Measured
    slowness: float = 1.0

    def expected_s(self, depth: Depth) -> float:
        """Seconds of a step at `depth`, as measured before training."""
        calls = self.model.attention_calls
        trained = self.model.trained_depth
        return self.measured.step_s(calls(depth), calls(Depth(1)), calls(trained))

    def mean_step_s(self, progress: float) -> float:
        """Mean seconds of the steps after `progress`, their depths sampled."""
        trained = self.model.trained_depth
        depths = [Depth(n, t) for n in range(1, trained.cycles + 1) for t in range(1, trained.steps + 1)]
        sampled = sum(map(self.expected_s, depths)) / len(depths)
        late = max(0.0, self.config.late_recursion - progress) / max(1e-9, 1.0 - progress)
        return late * self.expected_s(Depth(1)) + (1.0 - late) * sampled

    def steps_in(self, seconds: float, progress: float) -> int:
        """Steps that fit into `seconds` from `progress` on."""
        return max(MIN_STEPS, int(seconds / (self.mean_step_s(progress) * self.slowness)))

    def learn(self, real_s: float, expected_s: float) -> None:
        """Take in how long a stretch of steps really took."""
        if expected_s > 0:
            self.slowness = 0.3 * self.slowness + 0.7 * real_s / expected_s

    @staticmethod
    def worth_moving(planned: int, possible: int) -> bool:
        """Whether the steps left have to be planned anew."""
        return abs(possible - planned) > max(2, _TOLERANCE * planned)
