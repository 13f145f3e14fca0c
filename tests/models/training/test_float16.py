"""float16: gradients that overflow are skipped without an event, and the scale adapts by itself."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.depth import Depth
from models.errors import DivergedError
from models.losses import LossParts
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import (
    EvaluationFinished,
    Event,
    NoticeGiven,
    RolledBack,
    RunFinished,
    RunPaused,
    StepFinished,
    StepSkipped,
)
from models.runs.run import Run
from models.runs.run_state import RunState
from models.training import optimizer as optimizer_module
from models.training.control import Control
from models.training.optimizer import Gradient
from models.training.session import Session
from models.training.tasks import BatchLoss
from models.training.trainer import train, training_loop
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]
TOO_LARGE = 2.0**40
"""A scale with which every gradient overflows."""
INTERVAL = 4


@pytest.fixture
def half_run(new_run: NewRun, changed_calibration: NewRun) -> NewRun:
    """As `new_run`, in float16."""
    return lambda *arguments, **settings: changed_calibration(
        new_run(*arguments, **settings), number_format="float16"
    )


def scale_from(session: Session, scale: float) -> None:
    """Begin with `scale`, and let it grow every few steps."""
    session.optimizers.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=INTERVAL)


def poison(session: Session, bad: Callable[[int], bool], kind: str) -> None:
    """Have the loss or its gradient be no number, whenever `bad` says so of the number of the call."""
    good, calls = session.model.training_loss, iter(range(10_000))

    def training_loss(*arguments: Any) -> LossParts:
        parts = good(*arguments)
        if not bad(next(calls)):
            return parts
        loss = parts.next_token * (math.nan if kind == "loss" else 1.0)
        return LossParts(parts.total * math.nan, loss, parts.passes)

    session.model.training_loss = training_loss  # type: ignore[method-assign,assignment]


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def tensors(session: Session) -> dict[str, torch.Tensor]:
    snapshot = session.snapshot()
    return {name: value.clone() for name, value in {**snapshot.model, **snapshot.training}.items()}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_an_overflow_changes_nothing_and_is_no_bad_batch(half_run: NewRun, optimizer: str) -> None:
    session = session_of(half_run(steps=60, optimizer=optimizer, average_decay=0.9))
    scale_from(session, TOO_LARGE)
    before, clip, advance = tensors(session), session.optimizers.clip_gradient, session.advance
    gradients: list[Gradient] = []

    def clip_gradient() -> Gradient:
        gradients.append(clip())
        return gradients[-1]

    def compare_and_advance(batch: BatchLoss, depth: Depth) -> None:
        if gradients[-1].overflowed:
            assert math.isfinite(batch.loss) and not math.isfinite(gradients[-1].norm)
            assert session.optimizers.scaler.get_scale() == TOO_LARGE / 2 ** len(gradients)
            now = tensors(session)
            assert now.keys() == before.keys()
            assert all(torch.equal(value, before[name]) for name, value in now.items())
        advance(batch, depth)

    session.optimizers.clip_gradient = clip_gradient  # type: ignore[method-assign]
    session.advance = compare_and_advance  # type: ignore[method-assign]
    event = take_step(session)
    assert isinstance(event, StepFinished) and math.isfinite(event.gradient_norm)
    *overflows, last = gradients
    assert len(overflows) > 5 and all(gradient.overflowed for gradient in overflows)
    assert session.counters.skipped_steps == [] and not last.overflowed
    taken = tensors(session)
    assert any(not torch.equal(taken[name], value) for name, value in before.items())


@pytest.mark.parametrize("architecture", ["looped", "trm"])
def test_overflows_at_the_start_do_not_end_a_training(half_run: NewRun, architecture: str) -> None:
    session = session_of(half_run("owl", architecture, steps=60, batch_size=8))
    scale_from(session, TOO_LARGE)
    events = list(training_loop(session))
    assert isinstance(events[-1], RunFinished)
    assert not of(StepSkipped, events) and not of(RolledBack, events) and not of(NoticeGiven, events)
    steps = of(StepFinished, events)
    assert 5 < 60 - len(steps) < 40, "overflows are not told"
    assert all(math.isfinite(event.loss) and math.isfinite(event.gradient_norm) for event in steps)
    first, *_, last = of(EvaluationFinished, events)
    assert last.validation_loss < first.validation_loss < 4


def test_the_scale_grows_where_nothing_overflows(half_run: NewRun) -> None:
    session = session_of(half_run())
    scale_from(session, 2.0)
    scales = []
    for _ in range(3 * INTERVAL):
        assert isinstance(take_step(session), StepFinished)
        scales.append(session.optimizers.scaler.get_scale())
    assert scales == [2.0 * 2 ** (step // INTERVAL) for step in range(1, 3 * INTERVAL + 1)]


def test_a_restored_scale_goes_on_from_where_it_was(half_run: NewRun) -> None:
    run = half_run()
    first, second = session_of(run), session_of(run)
    for session in (first, second):
        scale_from(session, 2.0)
    for _ in range(INTERVAL + 2):
        take_step(first)
    second.restore(first.snapshot())
    for _ in range(INTERVAL):
        assert take_step(first).loss == take_step(second).loss
        assert first.optimizers.scaler.state_dict() == second.optimizers.scaler.state_dict()
    assert second.optimizers.scaler.get_scale() == 8.0


def test_a_scale_that_overflows_can_be_restored_again_and_again(half_run: NewRun) -> None:
    session = session_of(half_run(steps=60))
    scale_from(session, TOO_LARGE)
    snapshot = session.snapshot()
    for _ in range(2):
        session.restore(snapshot)
        assert isinstance(take_step(session), StepFinished) and session.counters.step <= 50
    assert session.counters.skipped_steps == []


@pytest.mark.parametrize(("scale", "restored"), [(512.0, 512.0), (2.0**-30, 1.0)])
def test_a_checkpoint_that_holds_only_a_scale_still_opens(
    half_run: NewRun, scale: float, restored: float
) -> None:
    session = session_of(half_run())
    state = session.snapshot().state.to_json()
    del state["steps_without_overflow"]
    state["gradient_scale"] = scale  # earlier versions made it smaller without end
    session.restore(dataclasses.replace(session.snapshot(), state=RunState.from_json(state)))
    assert session.optimizers.scaler.get_scale() == restored
    assert isinstance(take_step(session), StepFinished)


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_loss_or_gradient_that_is_no_number_is_still_a_bad_batch(half_run: NewRun, kind: str) -> None:
    session = session_of(half_run(steps=500, checkpoint_minutes=1e6))
    poison(session, lambda call: call >= 4, kind)
    events: list[Event] = []
    with pytest.raises(DivergedError):
        for event in training_loop(session):
            events.append(event)
    assert len(of(StepSkipped, events)) == 5 * 4
    wanted = "the loss is not a number" if kind == "loss" else "the gradient is not a number"
    assert {event.reason for event in of(StepSkipped, events)} == {wanted}


def test_a_pause_changes_nothing_in_float16(half_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_module, "FIRST_SCALE", TOO_LARGE)
    monkeypatch.setattr(optimizer_module, "GROWTH_INTERVAL", 3)
    dials = {"model": {"dropout": 0.1}, "steps": 48, "average_decay": 0.9, "checkpoint_minutes": 1e6}
    whole, parts = half_run("whole", **dials), half_run("in-parts", **dials)
    expected = [(event.step, event.loss) for event in of(StepFinished, list(train(whole)))]
    assert len(expected) < 48, "some overflowed"
    found: list[tuple[int, float]] = []
    for pause_after in (2, 2, 5, None):
        control, taken, last = Control(), 0, None
        for last in train(parts, control):
            if isinstance(last, StepFinished):
                found.append((last.step, last.loss))
                taken += 1
                if taken == pause_after:
                    control.pause()
        assert isinstance(last, RunFinished if pause_after is None else RunPaused)
    assert found == expected
    one, other = load_checkpoint(parts)[0], load_checkpoint(whole)[0]
    for ours, theirs in (
        (one.model, other.model),
        (one.training, other.training),
        (load_weights(parts.weights_path)[0], load_weights(whole.weights_path)[0]),
    ):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    for name in ("gradient_scale", "steps_without_overflow"):
        assert getattr(one.state, name) == getattr(other.state, name)
