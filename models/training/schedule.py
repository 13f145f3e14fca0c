"""Where a run stands between its first and its last step, and the learning rate there."""

import math
from dataclasses import dataclass, replace

from models.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """Progress from 0 at `first_step` to 1 at `last_step`, in a straight line from the anchor.

    The anchor moves only when the number of steps is settled anew: what has been trained keeps
    its progress, and the rest is spread over the steps that are left.
    """

    first_step: int
    last_step: int
    anchor_step: int
    anchor_progress: float = 0.0
    scale: float = 1.0
    """Share of the peak rate this stretch of training rises to."""

    @classmethod
    def over(cls, first_step: int, last_step: int, scale: float = 1.0) -> "Schedule":
        """The schedule of a new stretch of training."""
        return cls(first_step, last_step, anchor_step=first_step, scale=scale)

    def progress(self, step: int) -> float:
        """How far `step` is into the stretch, from 0 to 1."""
        left = max(1, self.last_step - self.anchor_step)
        done = min(1.0, (step - self.anchor_step) / left)
        return self.anchor_progress + (1.0 - self.anchor_progress) * done

    def ending_at(self, last_step: int, step: int) -> "Schedule":
        """The same stretch, with the end moved while it stands at `step`."""
        return replace(self, last_step=last_step, anchor_step=step, anchor_progress=self.progress(step))

    def rate(self, step: int, config: TrainingConfig) -> float:
        """The factor on every peak learning rate at `step`."""
        warmup = min(1.0, (step - self.first_step + 1) / max(1, config.warmup_steps))
        progress = self.progress(step)
        if config.schedule == "cosine":
            shape = 0.5 * (1.0 + math.cos(math.pi * progress))
        else:
            shape = min(1.0, (1.0 - progress) / config.cooldown) if config.cooldown else 1.0
        return self.scale * warmup * (config.final_rate + (1.0 - config.final_rate) * shape)
