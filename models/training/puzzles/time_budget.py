"""Minutes into steps, where a step is a supervision step and what is evaluated are puzzles."""

from dataclasses import dataclass

from models.training.time_budget import FINAL_SHARE, FORWARD_SHARE, SAVING_S, Pace

EVALUATED = 256
"""Puzzles an evaluation on the way answers at most."""
LONGER = 4
"""Times the supervision steps of training, up to which the curve of the last evaluation goes."""
CURVE = 200
"""Puzzles the curve of accuracy by steps is made from at most."""
USUAL_STEPS = 3
"""Steps a puzzle is thought about on the average, roughly: the easy ones leave at once."""


@dataclass(slots=True)
class PuzzlePace(Pace):
    """`validation_tokens` are the cells held out."""

    def thought_s(self) -> float:
        """Seconds of one supervision step of one puzzle, forward only."""
        return FORWARD_SHARE * self.measured.deep_step_s * self.slowness / self.config.batch_size

    def _reserve_s(self, progress: float) -> float:
        left = self.config.evaluations * (1.0 - progress) * EVALUATED * USUAL_STEPS * self.thought_s()
        return left + self.judging_s() + SAVING_S

    def judging_s(self) -> float:
        """Seconds that the last evaluation may take, or all it needs where that is less."""
        cells, steps = self.model.config.context_length, self.model.config.supervision_steps  # type: ignore[attr-defined]
        held_out = self.validation_tokens // cells
        needed = (held_out * USUAL_STEPS + min(CURVE, held_out) * LONGER * steps) * self.thought_s()
        return needed if self.budget_s is None else min(needed, FINAL_SHARE * self.budget_s)
