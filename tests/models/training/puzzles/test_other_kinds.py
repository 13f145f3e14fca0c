"""Mazes and strings are learned, paused, extended and measured as Sudokus are."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.cache import set_cache_dir
from data.errors import CorpusError, UsageError
from data.maze_kind import MazeKind
from data.progress import result_of
from data.puzzles import open_puzzles, split
from models.benchmark.puzzle_depth import benchmark_puzzle_depth
from models.errors import CheckpointError
from models.generation.solver import load_solver, solve_puzzles
from models.planning.extend import extend
from models.planning.plan import plan
from models.planning.relocate import relocate
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.events import RunFinished, RunPaused
from models.runs.listing import summarize
from models.runs.puzzles import load_puzzles, puzzle_kind
from models.runs.run import Run
from models.training.puzzles.sampler import PuzzleSampler
from tests.models.training.puzzles.test_task import go
from tests.requests import SAME_EVERYWHERE, train_request

SMALL = {
    **SAME_EVERYWHERE, "model.d_model": 40, "model.d_feed_forward": 16, "model.supervision_steps": 2,
    "model.max_steps": 1, "training.evaluations": 1, "training.batch_size": 6, "training.warmup_steps": 2,
}  # fmt: skip
TASKS = ("maze:9x9", "grid")


@pytest.fixture(autouse=True)
def one_thread(tmp_path: Path) -> Iterator[None]:
    set_cache_dir(tmp_path / "cache")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def new_run(folder: Path, task: str, steps: int = 6, **typed: Any) -> Run:
    paths: tuple[str, ...] = ()
    if task == "grid":
        file = folder / "pairs.csv"
        numbers = [f"{7919 * number % 10**5:05}" for number in range(1, 61)]
        file.write_text("input,target\n" + "".join(f"{one},{one[::-1]}\n" for one in numbers))
        paths = (str(file),)
    count = None if paths else 40
    request = train_request(
        **{"paths": paths, "task": task, "count": count, "steps": steps, **typed}, settings=SMALL
    )
    return result_of(plan(request, folder / "runs")).start()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("architecture", ["trm", "hrm"])
def test_a_run_is_trained_measured_and_solves(tmp_path: Path, task: str, architecture: str) -> None:
    run = new_run(tmp_path, task, architecture=architecture)
    last = go(run)[-1]
    assert isinstance(last, RunFinished) and last.step == 6
    assert last.exact_accuracy is not None and 0 < (last.cell_accuracy or 0) <= 1
    evaluation = json.loads((run.path / "evaluation.json").read_text())
    assert list(evaluation["exact_accuracy_by_steps"]) == ["1", "2", "4", "8"]
    summary = summarize(run.path)
    assert summary.solves_puzzles and summary.puzzle_task == task.partition(":")[0]
    assert summary.learns == ("strings of pairs.csv" if task == "grid" else "maze:9x9")
    solver = load_solver(run)
    puzzle, solution = solver.new_puzzle()
    (found,) = solve_puzzles(solver, [puzzle], 3, known=[solution])
    assert found.valid == (found.answer == solution).all()
    report = result_of(benchmark_puzzle_depth(solver))
    assert [table.name for table in report.tables] == (["steps"] if task == "grid" else ["steps", "path"])


@pytest.mark.parametrize("task", TASKS)
def test_a_paused_run_ends_as_one_that_was_not(tmp_path: Path, task: str) -> None:
    runs = [new_run(tmp_path, task, name=name) for name in ("whole", "paused")]
    assert isinstance(go(runs[0])[-1], RunFinished)
    assert isinstance(go(runs[1], 3)[-1], RunPaused)
    assert isinstance(go(runs[1])[-1], RunFinished)
    one, other = (load_weights(run.weights_path)[0] for run in runs)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    states = [load_checkpoint(run)[0].training for run in runs]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    extend(runs[1], steps=2)
    last = go(runs[1])[-1]
    assert isinstance(last, RunFinished) and last.step == 8


def test_strings_keep_their_symbols_without_their_file(tmp_path: Path) -> None:
    run = new_run(tmp_path, "grid")
    go(run, 2)
    file = tmp_path / "pairs.csv"
    learned, _ = result_of(load_puzzles(run, run.config()))
    text = file.read_text()
    file.unlink()
    assert puzzle_kind(run.config()).symbols == learned.kind.symbols
    with pytest.raises(CorpusError, match="gone"):
        result_of(load_puzzles(run, run.config()))
    moved = tmp_path / "elsewhere.csv"
    moved.write_text(text)
    result_of(relocate(run, [str(moved)]))
    assert isinstance(go(run)[-1], RunFinished)
    with pytest.raises(CorpusError, match="not what run"):
        moved.write_text(text.replace("1", "x"))
        result_of(relocate(run, [str(moved)]))


def test_a_solver_refuses_strings_of_another_length(tmp_path: Path) -> None:
    run = new_run(tmp_path, "grid", steps=1)
    go(run)
    solver = load_solver(run)
    with pytest.raises(UsageError, match="solves strings of 5 symbols, but this one has 3"):
        solver.require_solvable(np.zeros(3, dtype=np.uint8))
    assert solver.require_solvable(np.zeros(5, dtype=np.uint8)) is None


def test_a_configuration_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    config = new_run(tmp_path, "maze:9x9").config()
    model = replace(config.model, foreign={**config.model.foreign, "task": "chess"})
    with pytest.raises(UsageError, match="no puzzles of task 'chess'"):
        puzzle_kind(replace(config, model=model))


@pytest.mark.parametrize("symbols", ["0123456789x", "01", None])
def test_symbols_that_are_not_those_of_the_model_are_refused(tmp_path: Path, symbols: str | None) -> None:
    run = new_run(tmp_path, "grid", steps=1)
    go(run)
    config = run.config()
    assert config.data is not None
    run.save_config(replace(config, data=replace(config.data, symbols=symbols)))
    with pytest.raises(CheckpointError, match="does not describe a puzzle model"):
        load_solver(run)


def test_mazes_are_drawn_turned_and_strings_as_they_are(tmp_path: Path) -> None:
    learned, held_out = split(result_of(open_puzzles("maze:9x9", 30)))
    batch = PuzzleSampler(learned, 5, held_out).batch(3, 60).astype(np.uint8)
    kind = MazeKind()
    assert kind.is_solution_of(batch[:, 1], batch[:, 0]).all()
    known = {maze.tobytes() for maze in learned.puzzles}
    assert 0 < sum(maze.tobytes() in known for maze in batch[:, 0]) < 60
    assert not np.isin(kind.keys(batch[:, 0]), kind.keys(held_out.puzzles)).any()
    run = new_run(tmp_path, "grid")
    strings, others = result_of(load_puzzles(run, run.config()))
    drawn = PuzzleSampler(strings, 5, others).batch(0, len(strings))[:, 0]
    assert {one.tobytes() for one in drawn.astype(np.uint8)} == {one.tobytes() for one in strings.puzzles}
