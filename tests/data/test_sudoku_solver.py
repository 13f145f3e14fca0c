"""The solver, the difficulty and the checker, against each other and against known puzzles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UsageError
from data.sudoku_checker import conflicts, find_repeated_digit, is_solution_of, is_valid, require_unique
from data.sudoku_generator import make_puzzle
from data.sudoku_grid import SIZES, units
from data.sudoku_solver import count_solutions, search_nodes, solutions, solve
from data.sudoku_symmetry import random_symmetry
from data.sudoku_text import grid_line, parse_grid

EASY = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
HARD = "4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......"
HARD_SOLVED = "417369825632158947958724316825437169791586432346912758289643571573291684164875293"
NO_SOLUTION = ".....5.8....6.1.43..........1.5........1.6...3.......553.....61........4........."

sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 2**32)


def test_a_known_puzzle_has_its_known_solution() -> None:
    solved = solve(parse_grid(HARD))
    assert solved is not None and grid_line(solved) == HARD_SOLVED


def test_every_solution_is_found_once() -> None:
    # The number of all 4×4 grids is known.
    assert len({s.tobytes() for s in solutions(np.zeros(16, dtype=np.uint8))}) == 288
    started = parse_grid("123456 456123 214365" + "." * 18)
    found = np.array(list(solutions(started)))
    assert is_valid(found).all() and len(np.unique(found, axis=0)) == len(found) > 1


def test_a_grid_without_a_solution_has_none() -> None:
    assert solve(parse_grid(NO_SOLUTION)) is None and count_solutions(parse_grid(NO_SOLUTION)) == 0
    assert solve(parse_grid("11" + "." * 14)) is None
    assert count_solutions(parse_grid("." * 81), limit=5) == 5


@settings(max_examples=40)
@given(size=sizes, seed=seeds, data=st.data())
def test_solutions_are_those_of_an_exhaustive_search(size: int, seed: int, data: st.DataObject) -> None:
    """Compared with trying all digits, on grids with few blanks and perhaps several solutions."""
    _, solution = make_puzzle(size, (size * size - 1,) * 2, seed, 0)
    blanks = data.draw(st.sets(st.integers(0, size * size - 1), max_size=10))
    grid = solution.copy()
    grid[list(blanks)] = 0
    assert {s.tobytes() for s in solutions(grid)} == set(everything(grid))


def everything(grid: np.ndarray) -> list[bytes]:
    blanks = np.flatnonzero(grid == 0)
    if not len(blanks):
        return [grid.tobytes()] if is_valid(grid) else []
    found = []
    for digit in range(1, int(len(grid) ** 0.5) + 1):
        tried = grid.copy()
        tried[blanks[0]] = digit
        if not find_repeated_digit(tried):
            found += everything(tried)
    return found


@given(size=sizes, seed=seeds)
@settings(max_examples=40)
def test_one_wrong_cell_makes_a_grid_invalid(size: int, seed: int) -> None:
    puzzle, solution = make_puzzle(size, (size * size // 2,) * 2, seed, 0)
    wrong = np.repeat(solution[None], size * size, axis=0)
    diagonal = np.arange(size * size)
    wrong[diagonal, diagonal] = wrong[diagonal, diagonal] % size + 1
    assert not conflicts(solution).any() and not conflicts(puzzle).any()
    for cell, grid in enumerate(wrong):
        equal = conflicts(grid) & (grid == grid[cell])
        assert equal[cell] and (conflicts(grid) == equal).all()  # only the wrong digit clashes
    assert is_valid(solution) and is_solution_of(solution, puzzle)
    assert is_valid(wrong).shape == (size * size,) and not is_valid(wrong).any()
    assert not is_valid(np.zeros_like(solution)) and not is_valid(np.full_like(solution, 255))


def test_a_valid_grid_that_changes_a_clue_is_not_a_solution() -> None:
    puzzle, solution = make_puzzle(9, (40, 40), 1, 0)
    relabelled = solution % 9 + 1
    assert is_valid(relabelled) and not is_solution_of(relabelled, puzzle)
    both = is_solution_of(np.stack((solution, relabelled)), np.stack((puzzle, puzzle)))
    assert both.tolist() == [True, False]


def test_every_unit_has_n_cells_and_every_cell_has_three_units() -> None:
    for n in SIZES:
        assert units(n).shape == (3 * n, n)
        assert (np.bincount(units(n).ravel()) == 3).all()
    assert units(6)[12].tolist() == [0, 1, 2, 6, 7, 8]  # a box of 2 rows × 3 columns


def test_nodes_are_the_blanks_or_more_where_wrong_digits_are_tried() -> None:
    solved = solve(parse_grid(EASY))
    assert solved is not None and search_nodes(solved) == 0
    solved[[3, 40, 77]] = 0
    assert search_nodes(solved) == 3
    assert 51 <= search_nodes(parse_grid(EASY)) < search_nodes(parse_grid(HARD))


def test_counting_nodes_ends_at_its_limit() -> None:
    puzzle, _ = make_puzzle(6, (9, 12), 5, 1)
    all_of_them = search_nodes(puzzle)
    counted = [search_nodes(puzzle, most) for most in (1, 7, all_of_them - 1, all_of_them, all_of_them + 9)]
    assert counted == [1, 7, all_of_them - 1, all_of_them, all_of_them]
    assert search_nodes(np.zeros(81, dtype=np.uint8), 500) == 500  # it would never end


def test_nodes_are_those_of_a_simple_search() -> None:
    for number in range(6):
        puzzle, _ = make_puzzle((4, 6)[number % 2], ((4, 6), (9, 12))[number % 2], 5, number)
        assert search_nodes(puzzle) == plain_nodes(puzzle)


def plain_nodes(puzzle: np.ndarray) -> int:
    n = int(len(puzzle) ** 0.5)

    def left(grid: np.ndarray, cell: int) -> list[int]:
        seen = {int(grid[other]) for unit in units(n) if cell in unit for other in unit}
        return [digit for digit in range(1, n + 1) if digit not in seen]

    order = sorted(np.flatnonzero(puzzle == 0).tolist(), key=lambda cell: len(left(puzzle, cell)))

    def below(grid: np.ndarray, depth: int) -> int:
        if not all(left(grid, cell) for cell in order[depth:]):
            return 0
        nodes = 0
        for digit in left(grid, order[depth]) if depth < len(order) else ():
            tried = grid.copy()
            tried[order[depth]] = digit
            nodes += 1 + below(tried, depth + 1)
        return nodes

    return below(puzzle, 0)


@given(size=sizes, seed=seeds)
@settings(max_examples=20)
def test_relabelling_the_digits_does_not_change_the_difficulty(size: int, seed: int) -> None:
    puzzle, _ = make_puzzle(size, {4: (4, 8), 6: (12, 18), 9: (36, 45)}[size], seed, 1)
    digits = random_symmetry(np.random.default_rng(seed), size, 1).digits[0]
    assert search_nodes(digits[puzzle]) == search_nodes(puzzle)


@pytest.mark.parametrize(
    ("puzzle", "message"),
    [
        ("5...5" + "." * 76, "row 1 has two 5s"),
        ("1..." + "." * 8 + "1...", "column 1 has two 1s"),
        ("1....1" + "." * 10, "box 1 has two 1s"),
        (NO_SOLUTION, "no solution"),
        ("." * 36, "more than one solution"),
    ],
)
def test_a_puzzle_without_exactly_one_solution_is_refused(puzzle: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        require_unique(parse_grid(puzzle))
    assert caught.value.hint
