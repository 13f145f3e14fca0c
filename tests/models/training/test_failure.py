"""A training that ends with an error says so in its logs, and can go on."""

from collections.abc import Callable

import pytest

from data.errors import StorageError
from models.depth import Depth
from models.runs.events import (
    Event,
    RunFailed,
    RunFinished,
)
from models.runs.listing import summarize
from models.runs.run import Run
from models.training.session import Session
from models.training.tasks import BatchLoss
from models.training.text_task import TextTask
from models.training.trainer import train

NewRun = Callable[..., Run]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (RuntimeError("a bug"), "RuntimeError", "RuntimeError: a bug"),
        (StorageError("The disk is full.", hint="Make room."), "StorageError", "The disk is full."),
    ],
)
def test_a_training_that_dies_leaves_its_error_in_the_log_and_goes_on_later(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str, message: str
) -> None:
    backward, run = TextTask.backward, new_run(steps=6)

    def fail_at_step_3(self: TextTask, session: Session, depth: Depth) -> BatchLoss:
        if session.counters.step == 3:
            raise error
        return backward(self, session, depth)

    events: list[Event] = []
    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(TextTask, "backward", fail_at_step_3)
        for event in run.record(train(run)):
            events.append(event)
    failed = events[-1]
    assert isinstance(failed, RunFailed)
    assert (failed.kind, failed.message, failed.hint) == (kind, message, getattr(error, "hint", None))
    assert list(run.events())[-1] == failed
    assert message in run.training_log_path.read_text(encoding="utf-8")
    summary = summarize(run.path)
    assert summary.status == "paused" and message in str(summary.failure) and not run.is_busy()
    assert isinstance(list(run.record(train(run)))[-1], RunFinished)
    assert summarize(run.path).status == "finished"
