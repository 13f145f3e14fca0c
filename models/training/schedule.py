"""Where a training stands between its first and its last step, and what follows from it.

Everything here is a function of the schedule and the step, so a resumed run finds the same rates and
does the same things at the same steps.
"""

import math

from models.config import TrainingConfig
from models.runs.run_state import Schedule


def learning_rate_factor(schedule: Schedule, step: int, config: TrainingConfig) -> float:
    """The factor on every peak learning rate at `step`: warm-up, then the chosen schedule."""
    warmup_steps = config.warmup_steps if schedule.warmup_steps is None else schedule.warmup_steps
    warmup = min(1.0, (step - schedule.first_step + 1) / max(1, warmup_steps))
    progress = schedule.progress(step)
    if config.schedule == "cosine":
        shape = 0.5 * (1.0 + math.cos(math.pi * progress))
    else:
        shape = min(1.0, (1.0 - progress) / config.cooldown) if config.cooldown else 1.0
    return schedule.scale * warmup * (config.final_rate + (1.0 - config.final_rate) * shape)


def is_due(schedule: Schedule, step: int, times: int) -> bool:
    """Whether `step` is one of `times` evenly spaced points of the schedule."""
    if step == schedule.first_step:
        return False
    return times_due(schedule, step, times) > times_due(schedule, step - 1, times)


def times_due(schedule: Schedule, step: int, times: int) -> int:
    """How many of `times` evenly spaced points of the schedule lie at or before `step`."""
    return math.floor(schedule.progress(step) * times + 1e-9)
