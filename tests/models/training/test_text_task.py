"""Learning text: the depths of the steps, and the last evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.depth import Depth, sample_depth
from models.evaluation.parts import HeldOutPart, tokens_of
from models.runs.checkpoint import save_weights
from models.runs.evaluation import Evaluation
from models.runs.events import RunFinished, StepFinished
from models.runs.run import Run
from models.training import known_texts, text_finish
from models.training.time_budget import TimeBudget
from models.training.trainer import train, training_loop
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


@pytest.mark.parametrize(
    ("step_s", "minutes", "is_read"),
    [(1e-6, None, True), (1e-6, 0.2, True), (0.5, 0.2, False)],
)
def test_the_sample_of_a_first_text_is_read_again_only_where_there_is_time(
    new_run: NewRun,
    changed_calibration: NewRun,
    monkeypatch: pytest.MonkeyPatch,
    step_s: float,
    minutes: float | None,
    is_read: bool,
) -> None:
    read: list[int] = []
    real = known_texts.losses_on

    def losses_on(model: object, texts: Sequence[HeldOutPart], *rest: Any, **settings: Any) -> Any:
        read.append(tokens_of(texts))
        return real(model, texts, *rest, **settings)

    monkeypatch.setattr(known_texts, "losses_on", losses_on)
    monkeypatch.setattr(TimeBudget, "count_step", lambda *arguments: None)
    length = {"steps": 2} if minutes is None else {"minutes": minutes, "max_epochs": 0.05}
    run = changed_calibration(new_run(**length), shallow_step_s=step_s, deep_step_s=step_s)
    session = session_of(run)
    session.task.known = replace(session.task.known, is_sampled=True)
    assert isinstance(list(training_loop(session))[-1], RunFinished)
    evaluation, (learned,) = run.evaluation(), run.datasets()
    assert isinstance(evaluation, Evaluation)
    assert read == ([tokens_of(session.task.known.own)] if is_read else [])
    assert is_read or learned.loss_when_learned == evaluation.validation_loss


@pytest.mark.parametrize("seconds", [5.0, 10.0, 60.0, 480.0])
def test_what_is_kept_for_the_end_is_a_small_share_of_the_time(new_run: NewRun, seconds: float) -> None:
    """However slow the machine is."""
    session = session_of(new_run(minutes=seconds / 60, evaluations=0, samples=0))
    task, budget = session.task, session.time_budget
    budget.calibration = replace(budget.calibration, shallow_step_s=100.0, deep_step_s=100.0)
    task.known = replace(task.known, is_sampled=True)
    assert task.reserve_s(budget, 0.0, seconds) <= 0.13 * seconds + 1e-9
    assert budget.end_s() == pytest.approx(min(0.5, 0.03 * seconds))


@pytest.mark.parametrize(("is_sampled", "left_s"), [(False, 59.5), (True, 57.5)])
def test_further_modes_leave_time_for_the_sample_and_the_end(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, is_sampled: bool, left_s: float
) -> None:
    """Where the last evaluation begins a minute before the deadline, and the sample takes two seconds."""
    session = session_of(new_run(minutes=20, evaluations=0, samples=0))
    task, budget = session.task, session.time_budget
    save_weights(session.run, session.model.state_dict(), {})
    deadlines: list[float] = []

    def evaluate_modes(*_: object, deadline: float, **__: object) -> None:
        deadlines.append(deadline)
        raise InterruptedError

    monkeypatch.setattr(text_finish, "evaluate_modes", evaluate_modes)
    monkeypatch.setattr(text_finish, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    monkeypatch.setattr(text_finish, "known_texts_s", lambda *_: 2.0)
    monkeypatch.setattr(text_finish, "_modes_s", lambda *_: 5.0)
    monkeypatch.setattr(session.control, "now", lambda: budget.deadline - 60.0)
    task.known = replace(task.known, is_sampled=is_sampled)
    with pytest.raises(InterruptedError):
        list(task.finish(session))
    assert deadlines == [pytest.approx(1000.0 + left_s)]
