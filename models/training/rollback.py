"""The way back from steps that went wrong: an earlier state, a lower rate, other data."""

import dataclasses
from collections.abc import Iterator

from models.errors import DivergedError
from models.runs.checkpoint import load_checkpoint
from models.runs.events import Event, NoticeGiven, RolledBack
from models.runs.run import Run
from models.training.session import Session

MAX_ROLLBACKS = 3


def roll_back(run: Run, session: Session) -> Iterator[Event]:
    """Put `session` back to the latest checkpoint, at half the rate.

    Raises DivergedError where that was done often enough, CheckpointError.
    """
    counters = session.counters
    if counters.rollbacks >= MAX_ROLLBACKS:
        raise DivergedError(
            f"Training diverged at step {counters.step} and {MAX_ROLLBACKS} returns did not help.",
            hint="Try a lower rate: --set training.learning_rate=0.001 "
            "--set training.matrix_learning_rate=0.01",
        )
    snapshot, notes = load_checkpoint(run)
    for note in notes:
        yield NoticeGiven(message=note)
    session.restore(snapshot)
    # The data that upset it is not read again, and the weights kept are still the best.
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
