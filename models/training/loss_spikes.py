"""Batches that must not touch the weights, and the way back when there are too many of them."""

import dataclasses
import math
import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.errors import DivergedError
from models.runs.checkpoint import load_checkpoint
from models.runs.events import Event, NoticeGiven, RolledBack

if TYPE_CHECKING:
    from models.training.session import Session

WINDOW = 64
"""Losses that a new one is compared with."""
_ENOUGH = 32
_MAX_SKIPS, _SKIP_WINDOW = 5, 25
MAX_ROLLBACKS = 3


class LossSpikes:
    """Compares the loss of a step with those before it. `recent` is kept up to date in place."""

    def __init__(self, recent: list[float]) -> None:
        self.recent = recent

    def problem(self, loss: float, gradient_norm: float) -> str | None:
        """Why the step must not be taken, or None."""
        if not math.isfinite(loss):
            return "the loss is not a number"
        if not math.isfinite(gradient_norm):
            return "the gradient is not a number"
        if len(self.recent) >= _ENOUGH:
            mean, deviation = statistics.fmean(self.recent), statistics.pstdev(self.recent)
            if loss > mean + 6 * deviation + 0.5:
                return f"the loss jumped from about {mean:.2f}"
        return None

    def add(self, loss: float) -> None:
        """Add `loss` to the recent ones, spikes too: a loss that stays high soon counts as normal."""
        if math.isfinite(loss):
            self.recent.append(loss)
            del self.recent[:-WINDOW]


def too_many_skips(skipped_steps: list[int], step: int) -> bool:
    """Whether so many of the last steps were skipped that skipping does not help."""
    return sum(step - skipped <= _SKIP_WINDOW for skipped in skipped_steps) >= _MAX_SKIPS


def roll_back(session: "Session") -> Iterator[Event]:
    """Return `session` to the latest checkpoint, at half the learning rate.

    Raises DivergedError after MAX_ROLLBACKS returns, CheckpointError.
    """
    counters = session.counters
    if counters.rollbacks >= MAX_ROLLBACKS:
        raise DivergedError(
            f"Training diverged at step {counters.step} and {MAX_ROLLBACKS} returns did not help.",
            hint="Try a lower rate: {training.learning_rate=0.001} {training.matrix_learning_rate=0.01}",
        )
    snapshot, notes = load_checkpoint(session.run)
    for note in notes:
        yield NoticeGiven(message=note)
    session.restore(snapshot)
    # The data that led here is not read again, and the best weights stay the best.
    session.counters = dataclasses.replace(
        session.counters,
        position=counters.position,
        best_loss=counters.best_loss,
        best_step=counters.best_step,
        rollbacks=counters.rollbacks + 1,
        rate_scale=counters.rate_scale * 0.5,
    )
    yield RolledBack(
        step=counters.step,
        to_step=session.counters.step,
        learning_rate_scale=session.counters.rate_scale,
    )
