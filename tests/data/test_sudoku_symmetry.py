"""Symmetries: a transformed puzzle is a puzzle with the same key, and other puzzles have other keys."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sudoku_checker import is_solution_of, is_valid
from data.sudoku_generator import generate
from data.sudoku_grid import SIZES, geometry, geometry_of
from data.sudoku_solver import solutions
from data.sudoku_symmetry import random_symmetry, symmetry_key

seeds = st.integers(0, 2**32)


def some(size: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    puzzles, solved = zip(*generate(size, count, seed=seed), strict=True)
    return np.array(puzzles), np.array(solved)


SOME = {size: some(size, 12) for size in SIZES}


@functools.cache
def line_orders(n: int, together: int) -> list[tuple[int, ...]]:
    """Every order of n rows or columns that keeps those of a box together."""
    within = list(itertools.permutations(range(together)))
    return [
        tuple(group * together + line for group, inner in zip(groups, inners, strict=True) for line in inner)
        for groups in itertools.permutations(range(n // together))
        for inners in itertools.product(within, repeat=n // together)
    ]


@functools.cache
def cell_orders(n: int) -> np.ndarray:
    """(K, n * n): every symmetry that moves cells, of 4×4 and 6×6 grids; of 9×9 there are millions."""
    shape, cells = geometry(n), np.arange(n * n).reshape(n, n)
    moved = [
        cells[np.ix_(rows, columns)]
        for rows in line_orders(n, shape.box_height)
        for columns in line_orders(n, shape.box_width)
    ]
    return np.array([grid.ravel() for grid in moved + [grid.T for grid in moved] * shape.can_transpose])


def canonical(puzzle: np.ndarray) -> bytes:
    """The same for two puzzles exactly if a symmetry turns one into the other: of all it can be moved
    to, digits numbered as they come, the first."""
    n = geometry_of(puzzle).n
    forms = puzzle[cell_orders(n)].astype(np.intp)  # (K, n * n)
    stands = forms[:, :, None] == np.arange(1, n + 1)  # (K, n * n, n)
    first = np.where(stands.any(axis=1), stands.argmax(axis=1), n * n)  # (K, n)
    labels = np.zeros((len(forms), n + 1), dtype=np.uint8)
    labels[:, 1:] = first.argsort(axis=1, kind="stable").argsort(axis=1) + 1
    return min(form.tobytes() for form in np.take_along_axis(labels, forms, axis=1))


@given(size=st.sampled_from(SIZES), seed=seeds)
@settings(max_examples=30)
def test_a_transformed_puzzle_is_a_puzzle_with_the_same_key(size: int, seed: int) -> None:
    puzzles, solved = SOME[size]
    symmetry = random_symmetry(np.random.default_rng(seed), size, len(puzzles))
    moved, moved_solved = symmetry.apply(puzzles), symmetry.apply(solved)
    assert moved.dtype == np.uint8 and is_solution_of(moved_solved, moved).all()
    assert ((moved == 0).sum(axis=1) == (puzzles == 0).sum(axis=1)).all()
    assert (symmetry_key(moved) == symmetry_key(puzzles)).all()
    if size < 9:
        assert canonical(moved[0]) == canonical(puzzles[0])


def test_there_are_two_4x4_grids_up_to_symmetry() -> None:
    grids = list(solutions(np.zeros(16, dtype=np.uint8)))
    assert len({canonical(grid) for grid in grids[::3]}) == 2


@pytest.mark.parametrize(("size", "count"), [(4, 150), (6, 40)])
def test_keys_agree_with_trying_all_symmetries(size: int, count: int) -> None:
    puzzles, _ = some(size, count, seed=2)
    forms = [canonical(puzzle) for puzzle in puzzles]
    keys = symmetry_key(puzzles).tolist()
    for (form, key), (other_form, other_key) in itertools.combinations(zip(forms, keys, strict=True), 2):
        assert (form == other_form) == (key == other_key)


def test_a_puzzle_with_one_moved_clue_has_another_key() -> None:
    puzzle, solved = SOME[9][0][0].copy(), SOME[9][1][0]
    more = puzzle.copy()
    blank = np.flatnonzero(puzzle == 0)[0]
    more[blank] = solved[blank]
    assert symmetry_key(more[None]) != symmetry_key(puzzle[None])
    keys = symmetry_key(some(9, 40, seed=2)[0])
    assert len(np.unique(keys)) == 40


def test_every_kind_of_symmetry_is_drawn() -> None:
    rng = np.random.default_rng(0)
    for size, arrangements in ((4, 2 * 8 * 8), (6, 48 * 72)):
        drawn = random_symmetry(rng, size, 60_000)
        assert len(np.unique(drawn.cells, axis=0)) == arrangements
        assert (drawn.digits[:, 0] == 0).all() and (np.sort(drawn.digits) == np.arange(size + 1)).all()
    cells = random_symmetry(rng, 9, 100).cells.reshape(-1, 9, 9)
    transposed = cells[:, 0, 0] // 9 != cells[:, 0, 1] // 9
    assert 20 < transposed.sum() < 80


def test_a_seed_gives_the_same_symmetries_and_a_batch_has_different_ones() -> None:
    one, two = (
        random_symmetry(np.random.default_rng(4), 9, 50).apply(SOME[9][1][:1].repeat(50, 0)) for _ in "ab"
    )
    assert (one == two).all() and len(np.unique(one, axis=0)) == 50 and is_valid(one).all()


def test_an_empty_array_has_no_keys() -> None:
    assert symmetry_key(np.zeros((0, 81), dtype=np.uint8)).shape == (0,)
