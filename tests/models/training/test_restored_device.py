"""A checkpoint is read on the CPU; what is restored from it lies where the model lies."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.puzzles import PuzzleSet
from data.sudoku_kind import SudokuKind
from models.architectures import build_model, model_config
from models.config import TrainingConfig
from models.runs.checkpoint import load_checkpoint
from models.runs.events import Event, RolledBack, RunFinished, RunPaused, StepFinished
from models.runs.run import Run
from models.runs.run_config import Calibration, ModelSection, RunConfig
from models.training.control import Control
from models.training.puzzles.carry import Carry
from models.training.puzzles.sampler import PuzzleSampler
from models.training.puzzles.task import PuzzleTask
from models.training.session import Session
from models.training.trainer import train, training_loop
from tests.models.training.sessions import session_of, take_step

NewRun = Callable[..., Run]
ACCELERATOR = next((d for d in ("cuda", "mps") if getattr(torch, d).is_available()), None)


def devices_of(session: Session) -> dict[str, str]:
    """Where every tensor of a checkpoint of `session` lies."""
    snapshot = session.snapshot()
    return {name: value.device.type for name, value in {**snapshot.model, **snapshot.training}.items()}


def on_meta(session: Session) -> Session:
    """An untrained session like this one, its model on the `meta` device, where tensors hold no numbers."""
    model, task = build_model(session.model.config).to("meta"), session.task
    if isinstance(task, PuzzleTask):
        batch, cells = task.carry.puzzles.shape
        carry = Carry.empty(batch, cells, model.config.d_model, torch.device("meta"))
        task = dataclasses.replace(task, carry=carry)
    return Session(
        session.run, session.run_config, model, session.config, session.calibration, task, session.control
    )


def restore_on_meta(session: Session) -> dict[str, str]:
    restored = on_meta(session)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="for .*: copying from a non-meta parameter")
        restored.restore(session.snapshot())
    assert restored.snapshot().training.keys() == session.snapshot().training.keys()
    return devices_of(restored)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_restored_text_training_lies_where_its_model_lies(new_run: NewRun, optimizer: str) -> None:
    session = session_of(new_run(optimizer=optimizer, average_decay=0.9))
    take_step(session)
    found = restore_on_meta(session)
    assert any(name.startswith("average.") for name in found)
    assert any(name.endswith(".step") for name in found)
    assert set(found.values()) == {"meta"}


def test_a_restored_puzzle_training_lies_where_its_model_lies(tmp_path: Path) -> None:
    shape = {"d_model": 32, "n_heads": 2, "d_feed_forward": 32, "layers": 1, "max_cycles": 1, "max_steps": 1}
    puzzle = {"task": "sudoku", "vocab_size": 5, "context_length": 16}
    described = model_config({"architecture": "trm", **shape, **puzzle})
    solutions = np.array([[1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1]], dtype=np.uint8)
    puzzles = PuzzleSet("one", SudokuKind(), np.where(np.arange(16) > 3, solutions, 0), solutions, "")
    calibration = Calibration(
        device="cpu",
        number_format="float32",
        compiled=False,
        threads=1,
        micro_batch=3,
        shallow_step_s=0.01,
        deep_step_s=0.02,
    )
    task = PuzzleTask(
        sampler=PuzzleSampler(puzzles, 0, puzzles),
        held_out=puzzles,
        carry=Carry.empty(3, 16, described.d_model, torch.device("cpu")),
        train_tokens=16,
        validation_tokens=16,
    )
    session = Session(
        Run.create("owl", tmp_path),
        RunConfig(model=ModelSection.of(described)),
        build_model(described),
        TrainingConfig(batch_size=3, average_decay=0.9),
        calibration,
        task,
        Control(),
    )
    take_step(session)
    found = restore_on_meta(session)
    assert any(name.startswith("carry.") for name in found)
    assert set(found.values()) == {"meta"}


def moved(run: Run, device: str) -> Run:
    """`run`, to be trained on `device`."""
    config = run.config()
    assert config.calibration is not None
    calibration = dataclasses.replace(config.calibration, device=device)
    training = {**config.training, "device": device}
    run.save_config(dataclasses.replace(config, calibration=calibration, training=training))
    return run


@pytest.mark.gpu
@pytest.mark.skipif(ACCELERATOR is None, reason="needs an accelerator")
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_run_resumes_on_an_accelerator(new_run: NewRun, optimizer: str) -> None:
    run = moved(new_run(optimizer=optimizer, average_decay=0.9), str(ACCELERATOR))
    control, last = Control(), None
    for last in train(run, control):
        if isinstance(last, StepFinished) and last.step == 3:
            control.pause()
    assert isinstance(last, RunPaused)
    assert isinstance(list(train(run))[-1], RunFinished)


@pytest.mark.gpu
@pytest.mark.skipif(ACCELERATOR is None, reason="needs an accelerator")
def test_a_run_rolls_back_on_an_accelerator(new_run: NewRun) -> None:
    run = moved(new_run(steps=20, checkpoint_minutes=1e6, evaluations=10), str(ACCELERATOR))
    session = session_of(run)
    good, calls = session.model.training_loss, iter(range(1000))

    def training_loss(*arguments: Any) -> Any:
        parts = good(*arguments)
        bad = next(calls) in range(6, 11)
        return dataclasses.replace(parts, next_token=parts.next_token * float("nan")) if bad else parts

    session.model.training_loss = training_loss  # type: ignore[method-assign,assignment]
    events: list[Event] = list(training_loop(session))
    assert any(isinstance(event, RolledBack) for event in events)
    assert isinstance(events[-1], RunFinished)
    assert load_checkpoint(run)[0].step == 20
