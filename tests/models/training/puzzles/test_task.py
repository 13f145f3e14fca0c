"""Training on puzzles: it learns, it resumes bit for bit, and its events are right."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data import sudoku_kind
from data.cache import set_cache_dir
from data.errors import CorpusError
from data.progress import result_of
from data.sudoku_solver import search_nodes
from models.architectures.puzzle_model import PuzzleLoss, PuzzleModel
from models.errors import CheckpointError
from models.planning.extend import extend
from models.planning.plan import plan
from models.planning.puzzle_plan import PuzzlePlan
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import (
    EvaluationFinished,
    Event,
    MicroBatchHalved,
    RunFinished,
    RunPaused,
    RunStarted,
    StepFinished,
    StepSkipped,
)
from models.runs.run import Run
from models.training.control import Control
from models.training.puzzles.carry import Carry
from models.training.puzzles.task import PuzzleTask, powers_of_two_to
from models.training.session import Session
from models.training.trainer import train, training_loop
from tests.models.training.sessions import session_of, take_step
from tests.requests import SAME_EVERYWHERE, train_request

SMALL = {
    **SAME_EVERYWHERE, "model.d_model": 32, "model.d_feed_forward": 32, "model.supervision_steps": 3,
    "training.evaluations": 2, "training.batch_size": 6, "training.warmup_steps": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path) -> Iterator[None]:
    set_cache_dir(tmp_path / "cache")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def plan_of(folder: Path, **typed: Any) -> PuzzlePlan:
    settings = {**SMALL, **typed.pop("settings", {})}
    request = train_request(
        **{"paths": (), "task": "sudoku:4x4", "count": 60, "steps": 10, **typed}, settings=settings
    )
    found = result_of(plan(request, folder))
    assert isinstance(found, PuzzlePlan)
    return found


def go(run: Run, pause_after: int | None = None) -> list[Event]:
    control, events, steps = Control(), [], 0
    for event in run.record(train(run, control)):
        events.append(event)
        steps += isinstance(event, StepFinished)
        if steps == pause_after:
            control.pause()
    return events


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_weights(run.weights_path)[0]


@pytest.mark.parametrize("architecture", ["trm", "hrm"])
def test_a_run_reports_how_well_it_solves(tmp_path: Path, architecture: str) -> None:
    run = plan_of(tmp_path, architecture=architecture).start()
    events = go(run)
    started = next(event for event in events if isinstance(event, RunStarted))
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert started.train_tokens == 54 * 16 and started.validation_tokens == 6 * 16
    evaluations = [event for event in events if isinstance(event, EvaluationFinished)]
    assert len(evaluations) == 2
    for event in (*evaluations, last):
        assert event.exact_accuracy is not None and 0 <= event.exact_accuracy <= 1
        assert event.cell_accuracy is not None and 0 < event.cell_accuracy <= 1
        assert event.mean_exit_step is not None and 1 <= event.mean_exit_step <= 6
    passes = [event.passes_per_token for event in events if isinstance(event, StepFinished)]
    assert len(passes) == 10
    assert passes[0] == 1  # of all puzzles it was the first step, of at most three
    assert all(one is not None and 1 <= one <= 3 for one in passes) and len(set(passes)) > 1
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    assert evaluation["exact_accuracy"] == last.exact_accuracy
    assert list(evaluation["exact_accuracy_by_steps"]) == ["1", "2", "4", "8", "12"]
    assert sum(evaluation["exit_steps"].values()) == evaluation["puzzles"] == 6


def test_a_paused_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = plan_of(tmp_path, name="whole").start()
    go(whole)
    paused = plan_of(tmp_path, name="paused").start()
    for after in (3, 1):
        assert isinstance(go(paused, after)[-1], RunPaused)
    assert isinstance(go(paused)[-1], RunFinished)
    one, other = (load_checkpoint(run)[0] for run in (whole, paused))
    assert one.training.keys() == other.training.keys()
    assert {"carry.puzzles", "carry.state0", "carry.state1", "carry.taken"} <= one.training.keys()
    for name, value in one.training.items():
        assert torch.equal(value, other.training[name]), name
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(paused)[name]), name


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path: Path) -> None:
    runs = [
        plan_of(tmp_path, name=f"run-{number}", seed=seed).start() for number, seed in enumerate((1, 1, 2))
    ]
    found = []
    for run in runs:
        go(run)
        found.append(weights(run)["head.weight"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_checkpoint_of_another_batch_is_refused(tmp_path: Path) -> None:
    run = plan_of(tmp_path).start()
    assert isinstance(go(run, 3)[-1], RunPaused)
    config = run.config()
    run.save_config(replace(config, training={**config.training, "batch_size": 5}))
    with pytest.raises(CheckpointError, match="does not fit"):
        go(run)


def test_a_finished_run_goes_on(tmp_path: Path) -> None:
    run = plan_of(tmp_path).start()
    go(run)
    extend(run, steps=3)
    last = go(run)[-1]
    assert isinstance(last, RunFinished)
    assert last.step == 13


def test_lost_weights_come_back_from_a_checkpoint(tmp_path: Path) -> None:
    run = plan_of(tmp_path).start()
    go(run, 7)
    before = weights(run)
    run.weights_path.unlink()
    go(run)
    assert weights(run).keys() == before.keys()


def test_minutes_are_turned_into_steps(tmp_path: Path) -> None:
    run = plan_of(tmp_path, steps=None, minutes=0.05, settings={"training.evaluations": 1}).start()
    last = go(run)[-1]
    assert isinstance(last, RunFinished)
    assert last.step >= 1


def test_memory_that_runs_out_changes_only_the_micro_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = plan_of(tmp_path, name="usual").start()
    go(usual)
    short = plan_of(tmp_path, name="short").start()
    session = session_of(short)
    model = session.model
    assert isinstance(model, PuzzleModel)
    puzzle_loss = model.puzzle_loss

    def short_of_memory(*arguments: Any) -> PuzzleLoss:  # new puzzles have taken the place of others by now
        if session.counters.step == 4 and session.calibration.micro_batch > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return puzzle_loss(*arguments)

    monkeypatch.setattr(model, "puzzle_loss", short_of_memory)
    events = list(training_loop(session))
    assert sum(isinstance(event, MicroBatchHalved) for event in events) == 1
    counters = [load_checkpoint(run)[0].state.counters for run in (usual, short)]
    assert counters[0].position == counters[1].position
    one, other = (load_checkpoint(run)[0].training["carry.puzzles"] for run in (usual, short))
    assert torch.equal(one, other)


def test_a_state_that_is_not_finite_is_dropped(tmp_path: Path) -> None:
    session = session_of(plan_of(tmp_path).start())
    assert isinstance(take_step(session), StepFinished)
    carry_of(session).states[0].fill_(torch.nan)
    assert isinstance(take_step(session), StepSkipped)
    assert carry_of(session).done.all()
    assert isinstance(take_step(session), StepFinished)


def carry_of(session: Session) -> Carry:
    assert isinstance(session.task, PuzzleTask)
    return session.task.carry


def test_a_puzzle_that_is_done_is_replaced(tmp_path: Path) -> None:
    session = session_of(plan_of(tmp_path).start())
    take_step(session)
    assert carry_of(session).taken.tolist() == [1] * 6
    carry_of(session).done[2] = True
    before, position = carry_of(session).puzzles.clone(), session.counters.position
    take_step(session)
    assert session.counters.position == position + 1
    assert carry_of(session).taken.tolist() == [2, 2, 1, 2, 2, 2]
    changed = (carry_of(session).puzzles != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [2]
    take_step(session)
    assert carry_of(session).done.tolist() == [
        True,
        True,
        False,
        True,
        True,
        True,
    ]  # three steps are the most


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    run = plan_of(tmp_path, settings={"training.batch_size": 8}).start()
    gradients, losses = [], []
    for size in (8, 2):
        session = session_of(run)
        session.calibration = replace(session.calibration, micro_batch=8)
        take_step(session)
        session.calibration = replace(session.calibration, micro_batch=size)
        session.optimizers.zero_grad()
        losses.append(session.task.backward(session, session.model.trained_depth).loss)
        gradients.append([weight.grad for weight in session.model.parameters()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for whole, pieces in zip(*gradients, strict=True):
        assert whole is not None and pieces is not None
        assert (whole - pieces).abs().max() < 1e-6


def test_measuring_the_difficulty_of_puzzles_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most_nodes: list[int] = []

    def counted(puzzle: np.ndarray, most: int) -> int:
        most_nodes.append(most)
        return search_nodes(puzzle, most)

    monkeypatch.setattr(sudoku_kind, "search_nodes", counted)
    assert isinstance(go(plan_of(tmp_path, steps=1).start())[-1], RunFinished)
    assert len(most_nodes) == 6 and set(most_nodes) == {sudoku_kind.MAX_NODES}


def test_puzzles_that_changed_are_refused(tmp_path: Path) -> None:
    run = plan_of(tmp_path).start()
    config = run.config()
    assert config.data is not None
    run.save_config(replace(config, data=replace(config.data, content_hash="0" * 64)))
    with pytest.raises(CorpusError, match="no longer the ones"):
        go(run)


@pytest.mark.slow
def test_easy_puzzles_are_learned(tmp_path: Path) -> None:
    """With eight clues a 4×4 grid nearly says its own answer: two hundred small steps teach most of it."""
    settings = {
        "training.batch_size": 32, "training.average_decay": 0.9, "model.max_steps": 2,
        "model.d_feed_forward": 64, "training.evaluations": 1,
    }  # fmt: skip
    last = go(plan_of(tmp_path, count=400, steps=150, settings=settings).start())[-1]
    assert isinstance(last, RunFinished)
    assert last.cell_accuracy is not None and last.cell_accuracy > 0.8


def test_counts_of_steps_double() -> None:
    assert powers_of_two_to(12) == [1, 2, 4, 8, 12]
    assert powers_of_two_to(8) == [1, 2, 4, 8]
