"""The best checkpoint is pointed to, kept, and gives the weights back where their file was lost."""

from collections.abc import Callable, Generator
from typing import Any

import pytest
import torch

from data.errors import UsageError
from models.errors import RunError
from models.evaluation.parts import PartLosses
from models.planning.extend import extend
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.checkpoint_folder import pointers_in
from models.runs.events import (
    CheckpointSaved,
    EvaluationAdvanced,
    EvaluationFinished,
    Event,
    NoticeGiven,
    RunFinished,
    StepFinished,
)
from models.runs.listing import list_runs
from models.runs.run import Run
from models.training import text_task
from models.training.control import Control
from models.training.trainer import train

NewRun = Callable[..., Run]
DIALS = {"steps": 20, "evaluations": 10}


class GivenLosses:
    """Losses of the evaluations on the way, so that the best weights are not the last: those of step 8."""

    def __init__(self) -> None:
        self.evaluations = 0

    def evaluate(self, *arguments: Any, step: int, **more: Any) -> Generator[Event, None, list[PartLosses]]:
        self.evaluations += 1
        yield EvaluationAdvanced(step=step, done=1, total=1)
        return [PartLosses(1.0 + abs(self.evaluations - 4), {})]


@pytest.fixture
def given_losses(monkeypatch: pytest.MonkeyPatch) -> GivenLosses:
    given = GivenLosses()
    monkeypatch.setattr(text_task, "evaluate_parts", given.evaluate)
    return given


def go(run: Run, pause_at: int | None = None) -> list[Event]:
    control, events = Control(), []
    for event in run.record(train(run, control)):
        events.append(event)
        if isinstance(event, StepFinished) and event.step == pause_at:
            control.pause()
    return events


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_the_best_checkpoint_is_pointed_to_and_never_pruned(
    new_run: NewRun, given_losses: GivenLosses, average_decay: float
) -> None:
    run = new_run(**DIALS, average_decay=average_decay, checkpoint_minutes=0.0)
    events = go(run)
    finished = events[-1]
    assert isinstance(finished, RunFinished) and finished.best_step == 8
    assert load_checkpoint(run, "best")[0].step == 8
    assert pointers_in(run.checkpoints_path).keys() == {"latest", "best"}
    saved = [event.step for event in events if isinstance(event, CheckpointSaved) and event.reason == "best"]
    assert saved == [event.step for event in events if isinstance(event, EvaluationFinished) and event.best]


def test_the_last_checkpoint_is_the_best_where_it_is(new_run: NewRun) -> None:
    run = new_run(steps=12)
    finished = go(run)[-1]
    assert isinstance(finished, RunFinished) and finished.best_step == 12
    pointers = pointers_in(run.checkpoints_path)
    assert pointers["best"] == pointers["latest"] == "step_000012"


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    return load_weights(run.weights_path)[0]


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
@pytest.mark.parametrize("architecture", ["looped", "transformer"])
def test_lost_weights_come_back_from_the_best_checkpoint(
    new_run: NewRun, given_losses: GivenLosses, architecture: str, average_decay: float
) -> None:
    dials: dict[str, Any] = {**DIALS, "average_decay": average_decay}
    reference = new_run("reference", architecture, **dials)
    expected = go(reference)[-1]
    assert isinstance(expected, RunFinished)
    given_losses.evaluations = 0
    run = new_run("owl", architecture, **dials)
    go(run, pause_at=15)
    before = load_weights(run.weights_path)
    run.weights_path.unlink()
    events = go(run)
    assert any("were gone" in event.message for event in events if isinstance(event, NoticeGiven))
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.validation_loss_by_mode == expected.validation_loss_by_mode
    assert_same(weights_of(run), weights_of(reference))
    assert finished.best_step == 8
    assert load_weights(run.weights_path)[1] == before[1]


def test_a_finished_run_gets_its_weights_back_and_can_go_on(new_run: NewRun) -> None:
    run = new_run(steps=6)
    go(run)
    expected = weights_of(run)
    run.weights_path.unlink()
    (summary,) = list_runs(run.path.parent)
    assert summary.status == "damaged" and f"{{resume {run.in_command}}}" in str(summary.problem)
    finished = go(run)[-1]
    assert isinstance(finished, RunFinished) and finished.best_step == 6
    assert_same(weights_of(run), expected)
    with pytest.raises(UsageError, match="is finished"):
        go(run)
    assert list_runs(run.path.parent)[0].status == "finished"
    run.weights_path.unlink()
    extend(run, steps=2)
    assert isinstance(go(run)[-1], RunFinished)


def test_without_a_best_checkpoint_the_newest_gives_its_weights(new_run: NewRun) -> None:
    run = new_run(steps=12)
    go(run, pause_at=8)
    run.weights_path.unlink()
    (run.checkpoints_path / "best").unlink()
    events = go(run)
    assert any("pointer 'best'" in event.message for event in events if isinstance(event, NoticeGiven))
    assert isinstance(events[-1], RunFinished)


def test_damaged_weights_are_replaced_before_a_step_is_taken(new_run: NewRun) -> None:
    run = new_run(steps=6)
    go(run)
    expected = weights_of(run)
    content = bytearray(run.weights_path.read_bytes())
    content[-9] ^= 0xFF
    run.weights_path.write_bytes(content)
    events = go(run)
    assert any("were damaged" in event.message for event in events if isinstance(event, NoticeGiven))
    assert isinstance(events[-1], RunFinished)
    assert_same(weights_of(run), expected)


def test_restored_weights_that_are_not_the_best_do_not_keep_the_best_loss(
    new_run: NewRun, given_losses: GivenLosses
) -> None:
    run = new_run(**DIALS)
    assert go(run)[-1].best_step == 8  # type: ignore[attr-defined]
    run.weights_path.unlink()
    (run.checkpoints_path / "best").unlink()
    finished = go(run)[-1]
    assert isinstance(finished, RunFinished) and finished.best_step == 20
    extend(run, steps=2)
    given_losses.evaluations = 0  # the next loss is 4: worse than the lost best, better than nothing
    events = go(run)
    assert next(event.best for event in events if isinstance(event, EvaluationFinished))


def test_a_damaged_datasets_json_is_an_error_before_training(new_run: NewRun) -> None:
    run = new_run(steps=6)
    (run.path / "datasets.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"datasets\.json"):
        go(run)
    assert not any(isinstance(event, StepFinished) for event in run.events())


def test_an_extension_without_a_step_is_listed_as_paused(new_run: NewRun) -> None:
    run = new_run(steps=6)
    go(run)
    extend(run, steps=4)
    assert list_runs(run.path.parent)[0].status == "paused"
    go(run)
    assert list_runs(run.path.parent)[0].status == "finished"
