"""Bad batches: skipped without a trace, rolled back where they last, given up where nothing helps."""

import itertools
import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DivergedError
from models.losses import LossParts
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    RolledBack,
    RunFinished,
    StepFinished,
    StepSkipped,
)
from models.runs.run import Run
from models.runs.training_log import TrainingLogLines
from models.training.loss_spikes import MAX_ROLLBACKS, WINDOW, LossSpikes, too_many_skips
from models.training.session import Session
from models.training.trainer import training_loop
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]
BAD = (math.nan, math.inf, -math.inf)
calm = st.lists(st.floats(1.0, 3.0), min_size=32, max_size=WINDOW)


@given(st.lists(st.floats(0, 10), max_size=WINDOW), st.sampled_from(BAD))
def test_a_loss_or_gradient_that_is_not_finite_is_a_problem(losses: list[float], bad: float) -> None:
    spikes = LossSpikes(losses)
    before = list(losses)
    assert spikes.problem(bad, 1.0) and spikes.problem(1.0, bad)
    spikes.add(bad)
    assert losses == before


@given(st.lists(st.floats(0, 10), max_size=31), st.floats(0, 1e6))
def test_a_loss_may_jump_before_enough_are_known(losses: list[float], loss: float) -> None:
    assert LossSpikes(losses).problem(loss, 1.0) is None


@given(calm, st.floats(1.0, 3.0), st.floats(100, 1e6))
def test_a_jump_is_a_problem_and_a_loss_that_stays_high_is_not(
    losses: list[float], usual: float, jump: float
) -> None:
    spikes = LossSpikes([2.0] * 32)
    assert spikes.problem(2.4, 1.0) is None and spikes.problem(2.6, 1.0) is not None
    spikes = LossSpikes(losses)
    assert spikes.problem(sum(losses) / len(losses), 1e9) is None
    assert spikes.problem(jump, 1.0) is not None
    for _ in range(WINDOW):  # what lasts is no jump
        spikes.add(jump)
    assert spikes.problem(jump, 1.0) is None
    assert len(losses) == WINDOW


@given(st.sets(st.integers(0, 300)), st.integers(0, 300))
def test_five_skips_in_the_last_25_steps_are_too_many(skipped: set[int], step: int) -> None:
    past = sorted(number for number in skipped if number <= step)
    recent = [number for number in past if step - number <= 25]
    assert too_many_skips(past, step) == (len(recent) >= 5)


def tensors_of(session: Session) -> dict[str, torch.Tensor]:
    """A copy of every tensor that is trained or remembered."""
    snapshot = session.snapshot()
    return {name: value.clone() for name, value in {**snapshot.model, **snapshot.training}.items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def poison(session: Session, bad: Callable[[int], bool], kind: str = "nan") -> None:
    """Have `training_loss` go wrong whenever `bad` says so of the number of the call."""
    good = session.model.training_loss
    calls = itertools.count()

    def training_loss(*arguments: Any) -> LossParts:
        parts = good(*arguments)
        if not bad(next(calls)):
            return parts
        if kind == "gradient":
            return LossParts(parts.total * math.nan, parts.next_token, parts.passes)
        wrong = {"nan": math.nan, "infinite": math.inf, "spike": 50.0}[kind]
        return LossParts(parts.total * wrong, parts.next_token * wrong, parts.passes)

    session.model.training_loss = training_loss  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("kind", ["nan", "infinite", "gradient", "spike"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_bad_batch_touches_nothing(new_run: NewRun, kind: str, optimizer: str) -> None:
    run = new_run(optimizer=optimizer, average_decay=0.9, weight_decay=0.1)
    session = session_of(run)
    poison(session, {3, 4}.__contains__, kind)
    for _ in range(3):
        assert isinstance(take_step(session), StepFinished)
    session.counters.recent_losses[:] = [3.2, 3.0] * 20
    before, position = tensors_of(session), session.counters.position
    for _ in range(2):
        assert isinstance(take_step(session), StepSkipped)
        assert same(tensors_of(session), before)
    counters = session.counters
    assert counters.step == 5 and counters.skipped_steps == [3, 4]
    assert counters.position == position + 8  # the bad text is not read a second time
    assert isinstance(take_step(session), StepFinished)
    assert not same(tensors_of(session), before)


def test_several_bad_batches_return_to_the_latest_checkpoint(new_run: NewRun) -> None:
    run = new_run(steps=20, checkpoint_minutes=1e6, average_decay=0.9, evaluations=10)
    session = session_of(run)
    poison(session, set(range(6, 11)).__contains__)
    batch, read = session.task.sampler.batch, []

    def counted(position: int, size: int) -> Any:
        read.append(position)
        return batch(position, size)

    session.task.sampler.batch = counted  # type: ignore[method-assign,assignment]
    events: list[Event] = []
    for event in training_loop(session):
        events.append(event)
        if isinstance(event, RolledBack):
            snapshot, _ = load_checkpoint(run)
            assert same(tensors_of(session), {**snapshot.model, **snapshot.training})
            saved = [before.step for before in events if isinstance(before, CheckpointSaved)]
            assert event.to_step == snapshot.step == session.counters.step == saved[-1] < event.step
            assert session.counters.rate_scale == event.learning_rate_scale == 0.5
    assert [type(event) for event in events].count(StepSkipped) == 5
    assert [type(event) for event in events].count(RolledBack) == 1
    assert read == [4 * number for number in range(len(read))], "the same text twice"
    assert session.counters.rollbacks == 1
    last = events[-1]
    assert isinstance(last, RunFinished) and last.step == 20
    losses = [event.validation_loss for event in events if isinstance(event, EvaluationFinished)]
    # The best weights are those of the whole history, also from before the return.
    assert last.validation_loss == pytest.approx(min(losses), abs=1e-5)


def test_the_best_weights_survive_a_return(new_run: NewRun) -> None:
    """After a return the run is behind its own best for a while, which must not be forgotten."""
    run = new_run(steps=24, checkpoint_minutes=1e6, evaluations=6)
    session = session_of(run)
    poison(session, lambda call: call in range(13, 18) or call > 22)
    best = math.inf
    for event in itertools.takewhile(
        lambda event: not isinstance(event, RunFinished), events_until_divergence(session)
    ):
        if isinstance(event, EvaluationFinished):
            assert event.best == (event.validation_loss < best)
            best = min(best, event.validation_loss)
        assert session.counters.best_loss == best


def events_until_divergence(session: Session) -> Iterator[Event]:
    try:
        yield from training_loop(session)
    except DivergedError:
        return


def test_a_training_that_diverges_again_and_again_ends_with_a_hint(new_run: NewRun) -> None:
    run = new_run(steps=500, checkpoint_minutes=0.0)
    session = session_of(run)
    poison(session, lambda call: call >= 4)
    events: list[Event] = []
    with pytest.raises(DivergedError) as caught:
        for event in training_loop(session):
            events.append(event)
            if isinstance(event, CheckpointSaved):
                saved, notes = load_checkpoint(run)
                assert notes == []
                assert all(torch.isfinite(weight).all() for weight in saved.model.values())
    assert caught.value.hint and "learning_rate" in caught.value.hint
    assert [type(event) for event in events].count(RolledBack) == MAX_ROLLBACKS
    assert session.counters.rate_scale == 0.5**MAX_ROLLBACKS


def test_the_best_weights_are_finite(new_run: NewRun) -> None:
    run = new_run(steps=12, evaluations=12)
    session = session_of(run)
    poison(session, lambda call: call % 4 == 1)
    assert isinstance(list(training_loop(session))[-1], RunFinished)
    weights, _ = load_weights(run.weights_path)
    assert all(torch.isfinite(weight).all() for weight in weights.values())


@pytest.mark.parametrize(
    ("kind", "bad", "returns"),
    [
        ("nan", range(13, 18), 1),
        ("infinite", range(13, 18), 1),
        ("gradient", range(13, 18), 1),
        ("spike", (), 0),
    ],
)
def test_events_have_every_step_that_was_taken_once_and_no_other(
    new_run: NewRun, kind: str, bad: Collection[int], returns: int
) -> None:
    session = session_of(new_run(steps=40, checkpoint_minutes=1e6, evaluations=20))
    session.counters.recent_losses[:] = [3.2, 3.0] * 20
    poison(session, lambda call: call == 3 or call in bad, kind)
    curve: dict[int, float] = {}
    skipped: set[int] = set()
    for event in training_loop(session):
        match event:
            case StepFinished():
                assert event.step not in curve and event.step not in skipped
                curve[event.step] = event.loss
            case StepSkipped():
                skipped.add(event.step)
            case RolledBack():
                curve = {step: loss for step, loss in curve.items() if step <= event.to_step}
                skipped = {step for step in skipped if step <= event.to_step}
                returns -= 1
            case EvaluationFinished():
                assert 0 < event.train_loss < 4
    assert returns == 0
    assert 4 in skipped and list(curve) == sorted(curve)
    assert curve.keys() | skipped == set(range(1, 41))
    assert all(0 < loss < 4 for loss in curve.values())


def test_the_training_log_has_no_loss_of_a_step_that_was_not_taken(new_run: NewRun) -> None:
    session = session_of(new_run(steps=20, checkpoint_minutes=1e6))
    poison(session, range(6, 11).__contains__, "nan")
    log = TrainingLogLines()
    lines = [line for event in training_loop(session) for line in log.of(event)]
    assert sum("left out: the loss is not a number." in line for line in lines) == 5
    assert not any("loss not finite" in line for line in lines if "left out" not in line)
