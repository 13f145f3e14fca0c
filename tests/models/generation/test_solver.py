"""A model of puzzles takes the same steps one by one as in `solve_puzzles`."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import UsageError
from data.sudoku_checker import require_unique
from data.sudoku_text import parse_grid
from models.generation.solver import Solver, load_solver, solve_puzzles, solve_steps
from models.runs.run import Run

TRAINED = Path(__file__).parents[2] / "fixtures/runs_of_earlier_versions/before_plain_names/sudoku"
PUZZLE = parse_grid("1...|..3.|.4..|...2")


@pytest.fixture
def solver(tmp_path: Path) -> Solver:
    shutil.copytree(TRAINED, tmp_path / "runs" / "sudoku")
    return load_solver(Run.open("sudoku", tmp_path / "runs"))


def test_steps_one_by_one_are_those_of_a_whole_solve(solver: Solver) -> None:
    (whole,) = solve_puzzles(solver, [PUZZLE], 5, sure=1.0)
    steps = list(itertools.islice(solve_steps(solver, PUZZLE), 5))
    assert all((step.answer == answer).all() for step, answer in zip(steps, whole.step_answers, strict=True))
    assert steps[-1].confidence == pytest.approx(whole.confidence) and not any(step.is_sure for step in steps)


def test_only_puzzles_of_its_size_with_one_solution_are_solvable(solver: Solver) -> None:
    puzzle, solution = solver.new_puzzle()
    assert np.array_equal(solver.require_solvable(puzzle), solution)
    assert np.array_equal(solver.require_solvable(PUZZLE), require_unique(PUZZLE))
    for wrong in (np.zeros(36, dtype=np.uint8), np.zeros(16, dtype=np.uint8)):
        with pytest.raises(UsageError):
            solver.require_solvable(wrong)
