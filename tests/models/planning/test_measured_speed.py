"""The speed that a plan tells is the one that training then has: `pytest -m slow -s` prints the ratios.

Both are measured in turn, because machines are shared. Only an estimate that is wrong by far fails.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.architectures import model_config, skeleton
from models.config import TrainingConfig
from models.cost import estimate as estimating
from models.cost.estimate import Estimate, estimate, sizes
from models.planning import measured_speed
from models.planning.measured_speed import measured_estimate
from models.runs.events import StepFinished
from models.runs.run import Run
from models.training.trainer import training_loop
from tests.models.training.sessions import session_of

CPU = torch.device("cpu")
FACTOR = 3.0
STEPS = 8
SHAPES: dict[str, dict[str, object]] = {
    "tiny": {"architecture": "looped", "d_model": 32, "context_length": 64, "batch_size": 8},
    "demo": {"architecture": "looped", "d_model": 96, "context_length": 128, "batch_size": 32},
    "wide": {"architecture": "looped", "d_model": 256, "context_length": 128, "batch_size": 8},
    "short": {"architecture": "looped", "d_model": 128, "context_length": 16, "batch_size": 64},
    "long": {"architecture": "looped", "d_model": 64, "context_length": 512, "batch_size": 4},
    "one": {"architecture": "looped", "d_model": 128, "context_length": 128, "batch_size": 1},
    "hrm": {"architecture": "hrm", "d_model": 128, "context_length": 64, "batch_size": 16},
    "trm": {"architecture": "trm", "d_model": 128, "context_length": 64, "batch_size": 16},
    "transformer": {"architecture": "transformer", "d_model": 192, "context_length": 128, "batch_size": 16},
    "router": {
        "architecture": "mixture_of_recursions",
        "d_model": 96,
        "context_length": 64,
        "batch_size": 16,
    },
}


def planned(run: Run, training: TrainingConfig) -> Estimate:
    config = session_of(run).model.config
    return measured_estimate(skeleton(config), training, CPU)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_the_planned_speed_is_that_of_the_training(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(measured_speed, "MAX_PARAMETERS", 30_000_000)
    shape = dict(SHAPES[name])
    architecture, batch_size = shape.pop("architecture"), shape.pop("batch_size")
    ratios = []
    for number in range(3):
        run = new_run(
            f"{name}{number}",
            architecture,
            model={**shape, "n_heads": 2},
            steps=STEPS,
            batch_size=batch_size,
            full_depth_prob=1.0,
            evaluations=0,
            samples=0,
            checkpoint_minutes=1e6,
        )
        session = session_of(run)
        told = planned(run, session.config).tokens_per_second
        seconds, began = [], time.perf_counter()
        for event in training_loop(session):
            if isinstance(event, StepFinished):
                seconds.append(time.perf_counter() - began)
                began = time.perf_counter()
                if event.step == STEPS:
                    break
        taken = session.tokens_per_step * (STEPS - 2) / sum(seconds[2:])
        ratios.append(told / taken)
    print(
        f"\n{name:12} {told:10,.0f} told  {taken:10,.0f} in training  "
        + "  ".join(f"{r:.2f}" for r in ratios)
    )
    assert 1 / FACTOR < statistics.median(ratios) < FACTOR


def test_measuring_leaves_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_speed, "MAX_PARAMETERS", 10**9)
    monkeypatch.setattr(measured_speed, "TIMED_S", 0.001)
    config = model_config({"vocab_size": 11, "d_model": 16, "n_heads": 2, "context_length": 8})
    training = TrainingConfig(steps=1, batch_size=2, threads=2)
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    found = measured_estimate(skeleton(config), training, CPU)
    assert 0 < found.tokens_per_second < 1e9
    assert replace(found, tokens_per_second=0.0) == replace(
        sizes(skeleton(config), training, CPU), tokens_per_second=0.0
    )
    assert torch.get_num_threads() == before and torch.equal(torch.random.get_rng_state(), state)


def test_a_large_model_is_not_made_to_be_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_speed, "MAX_PARAMETERS", 10)
    config = model_config({"vocab_size": 11, "d_model": 16, "n_heads": 2, "context_length": 8})
    training = TrainingConfig(steps=1, batch_size=2)
    layout = skeleton(config)
    monkeypatch.setattr(measured_speed, "build_model", None)
    assert measured_estimate(layout, training, CPU) == estimate(layout, training, CPU)


@pytest.mark.parametrize(("minutes", "timed"), [(10 / 60, 8), (1.0, 21), (8.0, 21), (None, 21)])
def test_a_short_training_is_timed_for_a_short_time(
    monkeypatch: pytest.MonkeyPatch, minutes: float | None, timed: int
) -> None:
    """Of passes and steps of a sixteenth of a second: two to find out how many sequences fit into the time,
    then some at each depth and of the optimizer."""
    clocked: list[float] = []
    monkeypatch.setattr(measured_speed, "MAX_PARAMETERS", 10**9)
    monkeypatch.setattr(measured_speed.Probe, "_clock", lambda *_: clocked.append(0.0625) or 0.0625)
    monkeypatch.setattr(estimating, "machine_rates", None)  # the model itself is timed, not the machine
    config = model_config({"vocab_size": 11, "d_model": 16, "n_heads": 2, "context_length": 8})
    measured_estimate(skeleton(config), TrainingConfig(minutes=minutes, batch_size=2), CPU)
    assert len(clocked) == timed
