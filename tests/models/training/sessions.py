"""A training in memory, and single steps of it."""

from data.progress import result_of
from models.runs.events import StepFinished, StepSkipped
from models.runs.run import Run
from models.training.control import Control
from models.training.open import open_session
from models.training.session import Session
from models.training.trainer import training_loop


def session_of(run: Run, control: Control | None = None) -> Session:
    """The training of `run` in memory, without its events. One test, one writer: no lock."""
    return result_of(open_session(run, control or Control()))


def take_step(session: Session) -> StepFinished | StepSkipped:
    """The event of the next step. A step whose gradient overflows has none, so one after it may be taken.

    What is due before the step is done too: an evaluation, a checkpoint.
    """
    for event in training_loop(session):
        if isinstance(event, StepFinished | StepSkipped):
            return event
    raise AssertionError("no step is left")
