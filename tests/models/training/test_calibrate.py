"""Memory that runs out, before the first step and later; and measuring that leaves no trace."""

import itertools
import math
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import StorageError
from data.progress import result_of
from models.architectures import ARCHITECTURES
from models.config import TrainingConfig
from models.losses import LossParts
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import load_checkpoint
from models.runs.events import EvaluationFinished, Event, MicroBatchHalved, RunFinished, StepFinished
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.training import calibrate as calibrating
from models.training.calibrate import Probe, calibrate
from models.training.control import Control
from models.training.length import Length
from models.training.trainer import train, training_loop
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]
NO_MEMORY = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"
STEP_S = Probe.step_s
OTHER = "The size of tensor a (3) must match the size of tensor b (4)"


@pytest.fixture(autouse=True)
def _steps_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As outside of the tests."""
    monkeypatch.setattr(Probe, "step_s", STEP_S)


def limit_memory(model: RecursiveLM, rows: int, message: str = NO_MEMORY, *, from_call: int = 0) -> None:
    """Have `training_loss` fail for more than `rows` sequences at once."""
    good, calls = model.training_loss, itertools.count()

    def training_loss(tokens: torch.Tensor, *rest: Any) -> LossParts:
        if next(calls) >= from_call and len(tokens) > rows:
            raise RuntimeError(message)
        return good(tokens, *rest)

    model.training_loss = training_loss  # type: ignore[method-assign,assignment]


def probe_of(run: Run) -> tuple[Probe, torch.Tensor]:
    session = session_of(run)
    blocks = torch.from_numpy(session.task.sampler.batch(0, 13))
    return Probe(session.model, session.config, torch.device("cpu")), blocks


@pytest.mark.parametrize(("rows", "found"), [(100, 13), (13, 13), (12, 6), (5, 3), (3, 3), (2, 1), (1, 1)])
def test_the_largest_batch_that_fits_is_found(new_run: NewRun, rows: int, found: int) -> None:
    probe, blocks = probe_of(new_run())
    limit_memory(probe.model, rows)
    assert probe.largest_micro_batch(blocks, len(blocks), "float32") == found


def test_too_little_memory_for_one_sequence_is_an_error_with_a_hint_and_a_bug_is_not(new_run: NewRun) -> None:
    probe, blocks = probe_of(new_run())
    limit_memory(probe.model, 0)
    with pytest.raises(StorageError) as caught:
        probe.largest_micro_batch(blocks, 4, "float32")
    assert caught.value.hint
    limit_memory(probe.model, 0, OTHER)
    with pytest.raises(RuntimeError, match="size of tensor"):
        probe.largest_micro_batch(blocks, 4, "float32")


def test_calibrating_changes_nothing_in_the_model(new_run: NewRun) -> None:
    session = session_of(new_run(architecture="hrm"))
    model, blocks = session.model, torch.from_numpy(session.task.sampler.batch(0, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = TrainingConfig(steps=3, compile="no", number_format="auto")
    calibration = result_of(calibrate(model, blocks, config, 1, Length(steps=3)))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert calibration.micro_batch == 4 and calibration.device == "cpu" and not calibration.compiled
    assert calibration.number_format in ("float32", "bfloat16")
    assert calibration.shallow_step_s > 0 and calibration.deep_step_s > 0


def test_what_the_configuration_sets_is_not_measured(new_run: NewRun) -> None:
    session = session_of(new_run())
    blocks = torch.from_numpy(session.task.sampler.batch(0, 4))
    config = TrainingConfig(steps=3, compile="no", number_format="bfloat16", micro_batch=2)
    calibration = result_of(calibrate(session.model, blocks, config, 1, Length(steps=3)))
    assert (calibration.number_format, calibration.micro_batch) == ("bfloat16", 2)


@pytest.mark.parametrize(
    ("length", "timed"), [({"minutes": 10 / 60}, 2), ({"minutes": 2}, 6), ({"steps": 3}, 6)]
)
def test_a_short_training_is_tried_for_a_short_time(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, length: dict[str, float], timed: int
) -> None:
    """Where a step takes 0.2 seconds."""
    clocked: list[float] = []
    session = session_of(new_run())
    monkeypatch.setattr(Probe, "_clock", lambda *_: clocked.append(0.2) or 0.2)
    blocks = torch.from_numpy(session.task.sampler.batch(0, 4))
    config = TrainingConfig(compile="no", number_format="float32", **length)
    result_of(calibrate(session.model, blocks, config, 1, Length(**length)))
    assert len(clocked) == timed


@pytest.mark.parametrize("pays", [True, False])
def test_whether_a_model_is_compiled_is_decided_once(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, pays: bool
) -> None:
    tried = []

    def compiled(
        probe: Probe, blocks: torch.Tensor, eager: Calibration, seconds_ahead: float
    ) -> Generator[Event, None, Calibration]:
        tried.append(seconds_ahead)
        yield from ()
        return replace(eager, compiled=pays if len(tried) == 1 else seconds_ahead == math.inf)

    monkeypatch.setattr(calibrating, "_calibrate_compiled", compiled)
    session = session_of(new_run())
    blocks = torch.from_numpy(session.task.sampler.batch(0, 4))
    config, length = TrainingConfig(minutes=60), Length(minutes=60)
    found = [result_of(calibrate(session.model, blocks, config, 1, length)).compiled for _ in range(2)]
    assert found == [pays, pays]
    assert len(tried) == (2 if pays else 1)


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0.001, 1), st.floats(0.001, 1))
def test_seconds_of_a_step_lie_on_a_line(shallow: int, more: int, shallow_s: float, deep_s: float) -> None:
    calibration = Calibration(
        device="cpu",
        number_format="float32",
        compiled=False,
        threads=1,
        micro_batch=4,
        shallow_step_s=shallow_s,
        deep_step_s=deep_s,
    )
    deep = shallow + more
    assert calibration.step_s(shallow, shallow, deep) == pytest.approx(shallow_s)
    assert calibration.step_s(deep, shallow, deep) == pytest.approx(deep_s)
    middle = calibration.step_s((shallow + deep) / 2, shallow, deep)
    assert middle == pytest.approx((shallow_s + deep_s) / 2)
    assert calibration.step_s(shallow, shallow, shallow) == shallow_s  # a dense model has one depth


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_accumulation_changes_neither_loss_nor_gradient(new_run: NewRun, architecture: str) -> None:
    found = []
    for size in (5, 4, 3, 2, 1):
        session = session_of(new_run(f"in-{size}", architecture, batch_size=5, micro_batch=size))
        for part in session.model.modules():  # what is tried at random is drawn anew for each piece
            if hasattr(part, "exploration"):
                part.exploration = 0.0
        steps = [take_step(session) for _ in range(3)]
        found.append([number for step in steps for number in (step.loss, step.gradient_norm)])
        assert session.counters.position == 15
    for pieces in found[1:]:
        assert found[0] == pytest.approx(pieces, rel=5e-3)
        assert found[0][:2] == pytest.approx(pieces[:2], rel=1e-4)


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(name, marks=() if name in ("looped", "transformer") else pytest.mark.slow)
        for name in ARCHITECTURES
    ],
)
def test_memory_that_runs_out_later_costs_nothing(new_run: NewRun, architecture: str) -> None:
    wanted = list(training_loop(session_of(new_run("reference", architecture))))
    run = new_run("tight", architecture)
    session = session_of(run)
    limit_memory(session.model, 1, from_call=6)
    events = list(training_loop(session))
    halved = [event for event in events if isinstance(event, MicroBatchHalved)]
    assert [(event.micro_batch, event.accumulation) for event in halved] == [
        (2, 2),
        (1, 4),
    ]  # each has one event
    for kind, field in ((StepFinished, "loss"), (EvaluationFinished, "validation_loss")):
        ours, theirs = ([getattr(e, field) for e in es if isinstance(e, kind)] for es in (events, wanted))
        assert ours == pytest.approx(theirs, rel=1e-2) and len(ours) > 3
    assert [e.tokens_seen for e in events if isinstance(e, StepFinished)] == [
        e.tokens_seen for e in wanted if isinstance(e, StepFinished)
    ]
    assert load_checkpoint(run)[0].state.micro_batch == 1


def test_a_smaller_micro_batch_is_kept_on_resume(new_run: NewRun) -> None:
    run, control = new_run(), Control()
    session = session_of(run, control)
    limit_memory(session.model, 2, from_call=3)
    for event in training_loop(session):
        if isinstance(event, MicroBatchHalved):
            control.pause()
    resumed = session_of(run)
    assert resumed.calibration.micro_batch == 2
    assert isinstance(list(train(run))[-1], RunFinished)


def test_a_step_that_no_longer_fits_at_all_is_an_error_with_a_hint(new_run: NewRun) -> None:
    run = new_run(micro_batch=1)
    session = session_of(run)
    limit_memory(session.model, 0, from_call=8)
    with pytest.raises(StorageError) as caught:
        list(training_loop(session))
    assert caught.value.hint
    assert isinstance(list(train(run))[-1], RunFinished)  # nothing is lost


def test_a_bug_in_a_step_keeps_its_traceback(new_run: NewRun) -> None:
    session = session_of(new_run())
    limit_memory(session.model, 0, OTHER)
    with pytest.raises(RuntimeError, match="size of tensor"):
        list(training_loop(session))
