"""Learning text: the depths of the steps, and the last evaluation."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.depth import Depth, sample_depth
from models.runs.evaluation import Evaluation
from models.runs.events import RunFinished, StepFinished
from models.runs.run import Run
from models.training.time_budget import TimeBudget
from models.training.trainer import train
from tests.models.training.sessions import session_of

NewRun = Callable[..., Run]


def depths(run: Run) -> list[str]:
    return [event.depth for event in train(run) if isinstance(event, StepFinished)]


def test_the_first_steps_are_shallow(new_run: NewRun) -> None:
    run = new_run(steps=8, shallow_fraction=0.5, full_depth_prob=1.0)
    trained = str(session_of(run).model.trained_depth)
    assert trained != str(Depth(1))
    assert depths(run) == [str(Depth(1))] * 4 + [trained] * 4


def test_every_step_can_be_at_the_trained_depth(new_run: NewRun) -> None:
    run = new_run(full_depth_prob=1.0)
    trained = str(session_of(run).model.trained_depth)
    assert depths(run) == [trained] * 12


def test_other_steps_draw_their_depth(new_run: NewRun) -> None:
    run = new_run(full_depth_prob=0.0, seed=5)
    trained = session_of(run).model.trained_depth
    found = depths(run)
    assert found == [str(sample_depth(trained, 5, step, 0.0)) for step in range(12)]
    assert len(set(found)) > 1


@pytest.mark.parametrize("micro_batch", [1, 4])
def test_the_losses_of_a_step_are_read_once_and_not_with_each_micro_batch(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, micro_batch: int
) -> None:
    session, reads = session_of(new_run(micro_batch=micro_batch)), []
    for name in ("item", "tolist"):  # a GPU is waited for here
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda tensor, real=real: reads.append(1) or real(tensor))
    loss = session.task.backward(session, Depth(1)).loss
    assert loss > 0 and len(reads) == 2  # the losses, and the passes


@pytest.mark.parametrize("length", [{"steps": 3}, {"epochs": 0.1}])
@pytest.mark.parametrize(("step_s", "reads_all"), [(1.0, True), (1e6, False)])
def test_the_last_evaluation_reads_all_of_the_text_unless_that_takes_too_long(
    new_run: NewRun,
    changed_calibration: NewRun,
    monkeypatch: pytest.MonkeyPatch,
    length: dict[str, Any],
    step_s: float,
    reads_all: bool,
) -> None:
    monkeypatch.setattr(TimeBudget, "count_step", lambda *arguments: None)
    run = changed_calibration(new_run(**length), shallow_step_s=step_s, deep_step_s=step_s)
    assert isinstance(list(train(run))[-1], RunFinished)
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation)
    assert evaluation.tokens_read is not None and evaluation.validation_tokens is not None
    whole = evaluation.validation_tokens - 1  # the first has nothing before it
    assert evaluation.tokens_read == whole if reads_all else evaluation.tokens_read < whole
