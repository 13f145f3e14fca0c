"""Memory that runs out, before the first step and later; and measuring that leaves no trace."""

import itertools
from collections.abc import Callable, Generator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import StorageError
from models.architectures import ARCHITECTURES
from models.config import TrainingConfig
from models.recursive_lm import LossParts, RecursiveLM
from models.runs.checkpoint import load_checkpoint
from models.runs.events import EvaluationFinished, Event, MicroBatchHalved, RunFinished, StepFinished
from models.runs.run import Run
from models.training.calibrate import Measured, Trial, measure
from models.training.control import Control
from models.training.open import Opened
from models.training.trainer import Trainer, train

NewRun = Callable[..., Run]
OpenRun = Callable[[Run], Opened]
NO_MEMORY = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"
OTHER = "The size of tensor a (3) must match the size of tensor b (4)"


def room_for(model: RecursiveLM, rows: int, message: str = NO_MEMORY, *, from_call: int = 0) -> None:
    """Have `training_loss` fail for more than `rows` sequences at once."""
    good, calls = model.training_loss, itertools.count()

    def training_loss(tokens: torch.Tensor, *rest: Any) -> LossParts:
        if next(calls) >= from_call and len(tokens) > rows:
            raise RuntimeError(message)
        return good(tokens, *rest)

    model.training_loss = training_loss  # type: ignore[method-assign]


def trial_of(opened: Opened) -> tuple[Trial, torch.Tensor]:
    session = opened.session
    blocks = torch.from_numpy(session.sampler.batch(0, 13))
    return Trial(session.model, session.config, torch.device("cpu")), blocks


@pytest.mark.parametrize(("rows", "found"), [(100, 13), (13, 13), (12, 6), (5, 3), (3, 3), (2, 1), (1, 1)])
def test_the_largest_batch_that_fits_is_found(
    new_run: NewRun, opened: OpenRun, rows: int, found: int
) -> None:
    trial, blocks = trial_of(opened(new_run()))
    room_for(trial.model, rows)
    assert trial.largest_micro_batch(blocks, len(blocks), "float32") == found


def test_no_room_at_all_is_a_sentence_and_a_bug_is_a_bug(new_run: NewRun, opened: OpenRun) -> None:
    trial, blocks = trial_of(opened(new_run()))
    room_for(trial.model, 0)
    with pytest.raises(StorageError) as caught:
        trial.largest_micro_batch(blocks, 4, "float32")
    assert caught.value.hint
    room_for(trial.model, 0, OTHER)
    with pytest.raises(RuntimeError, match="size of tensor"):
        trial.largest_micro_batch(blocks, 4, "float32")


def outcome(measuring: Generator[Event, None, Measured]) -> Measured:
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            return end.value


def test_measuring_leaves_no_trace(new_run: NewRun, opened: OpenRun) -> None:
    session = opened(new_run(architecture="hrm")).session
    model, blocks = session.model, torch.from_numpy(session.sampler.batch(0, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = TrainingConfig(steps=3, compile="no", number_format="auto")
    measured = outcome(measure(model, blocks, config, 1, None, 3))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert measured.micro_batch == 4 and measured.device == "cpu" and not measured.compiled
    assert measured.number_format in ("float32", "bfloat16")
    assert measured.shallow_step_s > 0 and measured.deep_step_s > 0


def test_what_was_said_is_not_measured(new_run: NewRun, opened: OpenRun) -> None:
    session = opened(new_run()).session
    blocks = torch.from_numpy(session.sampler.batch(0, 4))
    config = TrainingConfig(steps=3, compile="no", number_format="bfloat16", micro_batch=2)
    measured = outcome(measure(session.model, blocks, config, 1, None, 3))
    assert (measured.number_format, measured.micro_batch) == ("bfloat16", 2)


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0.001, 1), st.floats(0.001, 1))
def test_seconds_lie_in_a_line(shallow: int, more: int, shallow_s: float, deep_s: float) -> None:
    measured = Measured("cpu", "float32", False, 1, 4, shallow_s, deep_s)
    deep = shallow + more
    assert measured.step_s(shallow, shallow, deep) == pytest.approx(shallow_s)
    assert measured.step_s(deep, shallow, deep) == pytest.approx(deep_s)
    middle = measured.step_s((shallow + deep) / 2, shallow, deep)
    assert middle == pytest.approx((shallow_s + deep_s) / 2)
    assert measured.step_s(shallow, shallow, shallow) == shallow_s  # a dense model has one depth


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("micro", [1, 2, 3, 4, 5])
def test_accumulation_changes_neither_loss_nor_gradient(
    new_run: NewRun, opened: OpenRun, architecture: str, micro: int
) -> None:
    found = []
    for name, size in (("whole", 5), ("pieces", micro)):
        session = opened(new_run(name, architecture, batch_size=5, micro_batch=size)).session
        for part in session.model.modules():  # what is tried at random is drawn anew for each piece
            if hasattr(part, "exploration"):
                part.exploration = 0.0
        results = [session.step() for _ in range(4)]
        found.append([number for result in results for number in (result.loss, result.gradient_norm)])
        assert session.counters.position == 20
    assert found[0] == pytest.approx(found[1], rel=5e-3)
    assert found[0][:2] == pytest.approx(found[1][:2], rel=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_memory_that_runs_out_later_costs_nothing(
    new_run: NewRun, opened: OpenRun, architecture: str
) -> None:
    reference = Trainer(opened(new_run("reference", architecture)), Control())
    wanted = list(reference.events())
    run = new_run("tight", architecture)
    trainer = Trainer(opened(run), Control())
    room_for(trainer.session.model, 1, from_call=6)
    events = list(trainer.events())
    halved = [event for event in events if isinstance(event, MicroBatchHalved)]
    assert [(event.micro_batch, event.accumulation) for event in halved] == [(2, 2), (1, 4)]  # each said once
    for kind, field in ((StepFinished, "loss"), (EvaluationFinished, "validation_loss")):
        ours, theirs = ([getattr(e, field) for e in es if isinstance(e, kind)] for es in (events, wanted))
        assert ours == pytest.approx(theirs, rel=1e-2) and len(ours) > 3
    assert [e.tokens_seen for e in events if isinstance(e, StepFinished)] == [
        e.tokens_seen for e in wanted if isinstance(e, StepFinished)
    ]
    assert load_checkpoint(run)[0].state["micro_batch"] == 1


def test_a_smaller_micro_batch_is_kept_on_resume(new_run: NewRun, opened: OpenRun) -> None:
    run, control = new_run(), Control()
    trainer = Trainer(opened(run), control)
    room_for(trainer.session.model, 2, from_call=3)
    for event in trainer.events():
        if isinstance(event, MicroBatchHalved):
            control.pause()
    resumed = opened(run).session
    assert resumed.measured.micro_batch == 2
    assert isinstance(list(train(run))[-1], RunFinished)


def test_when_not_even_one_fits_any_more_it_is_said(new_run: NewRun, opened: OpenRun) -> None:
    run = new_run(micro_batch=1)
    trainer = Trainer(opened(run), Control())
    room_for(trainer.session.model, 0, from_call=8)
    with pytest.raises(StorageError) as caught:
        list(trainer.events())
    assert caught.value.hint
    assert isinstance(list(train(run))[-1], RunFinished)  # nothing is lost


def test_a_bug_in_a_step_keeps_its_traceback(new_run: NewRun, opened: OpenRun) -> None:
    trainer = Trainer(opened(new_run()), Control())
    room_for(trainer.session.model, 0, OTHER)
    with pytest.raises(RuntimeError, match="size of tensor"):
        list(trainer.events())
