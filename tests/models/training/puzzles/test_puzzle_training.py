"""Training on puzzles: it learns, it resumes bit for bit, and what it says of itself is true."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.cache import set_cache_dir
from data.errors import CorpusError
from data.sudoku_solver import search_nodes
from models.errors import CheckpointError
from models.planning.plan import TrainRequest, plan_training
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
)
from models.runs.run import Run
from models.training.puzzles import finish
from models.training.puzzles.session import PuzzleSession
from models.training.trainer import Control, extend, train

SMALL = {
    "model.d_model": 32, "model.d_feed_forward": 32, "model.supervision_steps": 3, "training.evaluations": 2,
    "training.batch_size": 6, "training.number_format": "float32", "training.threads": 1,
    "training.device": "cpu", "training.warmup_steps": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path) -> Iterator[None]:
    set_cache_dir(tmp_path / "cache")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def plan_of(folder: Path, **said: Any) -> PuzzlePlan:
    settings = {**SMALL, **said.pop("settings", {})}
    request = TrainRequest(
        **{"paths": (), "task": "sudoku:4x4", "count": 60, "steps": 10, **said}, settings=settings
    )
    planning = plan_training(request, folder)
    while True:
        try:
            next(planning)
        except StopIteration as end:
            assert isinstance(end.value, PuzzlePlan)
            return end.value


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
def test_a_run_tells_how_it_solves(tmp_path: Path, architecture: str) -> None:
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
    config = run.read_config()
    config["training"]["batch_size"] = 5
    run.write_config(config)
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


def test_memory_that_runs_out_changes_nothing_but_the_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    ponder = PuzzleSession._backward

    def short_of_memory(self: PuzzleSession, depth: Any) -> tuple[float, int]:
        nonlocal calls
        calls += 1
        if self.counters.step == 4 and self.measured.micro_batch > 3:
            self._refill(self.counters.position)  # as far as it came
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return ponder(self, depth)

    usual = plan_of(tmp_path, name="usual").start()
    go(usual)
    monkeypatch.setattr(PuzzleSession, "_backward", short_of_memory)
    short = plan_of(tmp_path, name="short").start()
    events = go(short)
    assert sum(isinstance(event, MicroBatchHalved) for event in events) == 1
    counters = [load_checkpoint(run)[0].state["counters"] for run in (usual, short)]
    assert counters[0]["position"] == counters[1]["position"]
    one, other = (load_checkpoint(run)[0].training["carry.puzzles"] for run in (usual, short))
    assert torch.equal(one, other)


def test_an_infinite_state_is_not_carried_on(tmp_path: Path) -> None:
    run = plan_of(tmp_path).start()
    for event in train(run):
        if isinstance(event, RunStarted):
            break
    session = _session(run)
    session.step()
    session.carry.states[0].fill_(torch.nan)
    result = session.step()
    assert result.problem is not None
    assert session.carry.done.all()
    assert session.step().problem is None


def _session(run: Run) -> PuzzleSession:
    from models.training.open import open_training

    opening = open_training(run)
    while True:
        try:
            next(opening)
        except StopIteration as end:
            assert isinstance(end.value.session, PuzzleSession)
            return end.value.session


def test_who_is_done_makes_room_for_another(tmp_path: Path) -> None:
    session = _session(plan_of(tmp_path).start())
    session.step()
    assert session.carry.taken.tolist() == [1] * 6
    session.carry.done[2] = True
    before, position = session.carry.puzzles.clone(), session.counters.position
    session.step()
    assert session.counters.position == position + 1
    assert session.carry.taken.tolist() == [2, 2, 1, 2, 2, 2]
    changed = (session.carry.puzzles != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [2]
    session.step()
    assert session.carry.done.tolist() == [True, True, False, True, True, True]  # three steps are the most


def test_pieces_of_a_batch_teach_what_all_of_it_does(tmp_path: Path) -> None:
    run = plan_of(tmp_path, settings={"training.batch_size": 8}).start()
    gradients, losses = [], []
    for size in (8, 2):
        session = _session(run)
        session.measured = replace(session.measured, micro_batch=8)
        session.step()
        session.measured = replace(session.measured, micro_batch=size)
        session.optimizers.zero_grad()
        losses.append(session._backward(session.depth_at(1))[0])
        gradients.append([weight.grad for weight in session.model.parameters()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for whole, pieces in zip(*gradients, strict=True):
        assert whole is not None and pieces is not None
        assert (whole - pieces).abs().max() < 1e-6


def test_measuring_how_hard_puzzles_are_comes_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most_nodes: list[int] = []

    def counted(puzzle: np.ndarray, most: int) -> int:
        most_nodes.append(most)
        return search_nodes(puzzle, most)

    monkeypatch.setattr(finish, "search_nodes", counted)
    assert isinstance(go(plan_of(tmp_path, steps=1).start())[-1], RunFinished)
    assert len(most_nodes) == 6 and set(most_nodes) == {finish.MOST_NODES}


def test_puzzles_that_changed_are_refused(tmp_path: Path) -> None:
    run = plan_of(tmp_path).start()
    config = run.read_config()
    config["data"]["content_hash"] = "0" * 64
    run.write_config(config)
    with pytest.raises(CorpusError, match="no longer the ones"):
        go(run)


def test_easy_puzzles_are_learned(tmp_path: Path) -> None:
    """With eight clues a 4×4 grid nearly says its own answer: two hundred small steps teach most of it."""
    settings = {
        "training.batch_size": 32, "training.average_decay": 0.9, "model.max_steps": 2,
        "model.d_feed_forward": 64, "training.evaluations": 1,
    }  # fmt: skip
    last = go(plan_of(tmp_path, count=400, steps=150, settings=settings).start())[-1]
    assert isinstance(last, RunFinished)
    assert last.cell_accuracy is not None and last.cell_accuracy > 0.8
