"""When a batch is not to be trusted."""

import math
import statistics

WINDOW = 64
_ENOUGH = 32
_SKIPS_ALLOWED, _SKIP_WINDOW = 5, 25


class LossWatch:
    """Judges a step's loss by the losses before it. `recent` is kept up to date in place."""

    def __init__(self, recent: list[float]) -> None:
        self.recent = recent

    def problem(self, loss: float, gradient_norm: float) -> str | None:
        """Why the step must not be taken, or None."""
        if not math.isfinite(loss):
            return "the loss is not a number"
        if not math.isfinite(gradient_norm):
            return "the gradient is not a number"
        if len(self.recent) >= _ENOUGH:
            usual, spread = statistics.fmean(self.recent), statistics.pstdev(self.recent)
            if loss > usual + 6 * spread + 0.5:
                return f"the loss jumped from about {usual:.2f}"
        return None

    def remember(self, loss: float) -> None:
        """Count `loss` among the recent ones, jumps too: what lasts is no jump."""
        if math.isfinite(loss):
            self.recent.append(loss)
            del self.recent[:-WINDOW]


def lost_footing(skipped_steps: list[int], step: int) -> bool:
    """Whether so many of the last steps were skipped that skipping does not help."""
    return sum(step - skipped <= _SKIP_WINDOW for skipped in skipped_steps) >= _SKIPS_ALLOWED
