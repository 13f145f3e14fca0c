"""Generated puzzles: one solution, the right number of clues, the same for the same seed."""

import itertools

import numpy as np
import pytest

from data.errors import UsageError
from data.sudoku_checker import is_solution_of
from data.sudoku_generator import CLUES, generate, make_puzzle
from data.sudoku_solver import count_solutions


@pytest.mark.parametrize(
    ("size", "clues", "count"),
    [(4, None, 200), (4, (4, 4), 60), (6, None, 60), (6, (9, 10), 6), (9, None, 20), (9, (24, 25), 3)],
)
def test_every_puzzle_has_one_solution_and_a_right_number_of_clues(
    size: int, clues: tuple[int, int] | None, count: int
) -> None:
    made = list(generate(size, count, clues, seed=3))
    puzzles, solutions = (np.array(grids) for grids in zip(*made, strict=True))
    low, high = clues or CLUES[size]
    assert puzzles.shape == solutions.shape == (count, size * size) and puzzles.dtype == np.uint8
    assert is_solution_of(solutions, puzzles).all()
    assert all(count_solutions(puzzle) == 1 for puzzle in puzzles)
    given = (puzzles > 0).sum(axis=1)
    assert given.min() >= low and given.max() <= high
    assert len(np.unique(puzzles, axis=0)) == count


def test_the_numbers_of_clues_are_drawn_evenly() -> None:
    given = [int((puzzle > 0).sum()) for puzzle, _ in generate(4, 500, seed=0)]
    assert all(60 <= given.count(clues) <= 140 for clues in range(4, 9))


def test_a_puzzle_depends_on_seed_and_number_only() -> None:
    few, many = list(generate(6, 5, seed=7)), list(generate(6, 9, seed=7))
    assert all((a[0] == b[0]).all() for a, b in zip(few, many, strict=False))
    alone = [make_puzzle(6, CLUES[6], 7, number) for number in (4, 2, 0)]
    assert all((alone[i][0] == few[n][0]).all() for i, n in enumerate((4, 2, 0)))
    other = next(generate(6, 1, seed=8))
    assert (other[0] != few[0][0]).any()


def test_puzzles_are_generated_one_by_one() -> None:
    assert len(list(itertools.islice(generate(9, 10**9), 2))) == 2


def test_too_few_different_puzzles_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.sudoku_generator._REPEATS_IN_A_ROW", 3)
    puzzle = make_puzzle(4, (8, 8), 0, 0)
    monkeypatch.setattr("data.sudoku_generator.make_puzzle", lambda *_: puzzle)
    with pytest.raises(UsageError, match="Only 1 different 4×4 puzzles with 8 to 8 clues"):
        list(generate(4, 2, (8, 8)))


@pytest.mark.parametrize(
    ("size", "clues"), [(5, None), (4, (3, 8)), (9, (17, 20)), (6, (18, 12)), (4, (8, 16))]
)
def test_an_impossible_size_or_number_of_clues_is_refused(size: int, clues: tuple[int, int] | None) -> None:
    with pytest.raises(UsageError) as caught:
        next(generate(size, 1, clues))
    assert caught.value.hint
