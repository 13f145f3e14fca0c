"""Symmetries: they keep a puzzle a puzzle, and the key and the canonical form see through them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sudoku_canonical import canonical
from data.sudoku_checker import is_solution_of, is_valid
from data.sudoku_generator import generate
from data.sudoku_grid import SIZES
from data.sudoku_solver import solutions
from data.sudoku_symmetry import random_symmetry, symmetry_key

seeds = st.integers(0, 2**32)


def some(size: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    puzzles, solved = zip(*generate(size, count, seed=seed), strict=True)
    return np.array(puzzles), np.array(solved)


SOME = {size: some(size, 12) for size in SIZES}


@given(size=st.sampled_from(SIZES), seed=seeds)
@settings(max_examples=30)
def test_a_transformed_puzzle_is_a_puzzle_with_the_same_key_and_canonical_form(size: int, seed: int) -> None:
    puzzles, solved = SOME[size]
    symmetry = random_symmetry(np.random.default_rng(seed), size, len(puzzles))
    moved, moved_solved = symmetry.apply(puzzles), symmetry.apply(solved)
    assert moved.dtype == np.uint8 and is_solution_of(moved_solved, moved).all()
    assert ((moved == 0).sum(axis=1) == (puzzles == 0).sum(axis=1)).all()
    assert (symmetry_key(moved) == symmetry_key(puzzles)).all()
    for index in range(0, len(puzzles), 4):
        assert (canonical(moved[index]) == canonical(puzzles[index], solved[index])).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_canonical_form_is_a_form_of_the_puzzle(size: int) -> None:
    for puzzle, solved in zip(*SOME[size], strict=True):
        form = canonical(puzzle, solved)
        assert symmetry_key(form[None]) == symmetry_key(puzzle[None])
        assert (canonical(form) == form).all()


def test_all_4x4_grids_are_two_up_to_symmetry() -> None:
    grids = list(solutions(np.zeros(16, dtype=np.uint8)))
    assert len({canonical(grid, grid).tobytes() for grid in grids[::3]}) == 2


@pytest.mark.parametrize(("size", "count"), [(4, 150), (6, 60), (9, 40)])
def test_keys_part_puzzles_just_as_canonical_forms_do(size: int, count: int) -> None:
    puzzles, solved = some(size, count, seed=2)
    forms = [canonical(p, s).tobytes() for p, s in zip(puzzles, solved, strict=True)]
    keys = symmetry_key(puzzles).tolist()
    for (form, key), (other_form, other_key) in itertools.combinations(zip(forms, keys, strict=True), 2):
        assert (form == other_form) == (key == other_key)


def test_a_puzzle_with_one_clue_moved_is_another() -> None:
    puzzle, solved = SOME[9][0][0].copy(), SOME[9][1][0]
    more = puzzle.copy()
    blank = np.flatnonzero(puzzle == 0)[0]
    more[blank] = solved[blank]
    assert symmetry_key(more[None]) != symmetry_key(puzzle[None])
    assert (canonical(more, solved) != canonical(puzzle, solved)).any()


def test_every_kind_of_symmetry_is_drawn() -> None:
    rng = np.random.default_rng(0)
    for size, arrangements in ((4, 2 * 8 * 8), (6, 48 * 72)):
        drawn = random_symmetry(rng, size, 60_000)
        assert len(np.unique(drawn.cells, axis=0)) == arrangements
        assert (drawn.digits[:, 0] == 0).all() and (np.sort(drawn.digits) == np.arange(size + 1)).all()
    cells = random_symmetry(rng, 9, 100).cells.reshape(-1, 9, 9)
    transposed = cells[:, 0, 0] // 9 != cells[:, 0, 1] // 9
    assert 20 < transposed.sum() < 80


def test_a_seed_gives_the_same_symmetries_and_a_batch_holds_different_ones() -> None:
    one, two = (
        random_symmetry(np.random.default_rng(4), 9, 50).apply(SOME[9][1][:1].repeat(50, 0)) for _ in "ab"
    )
    assert (one == two).all() and len(np.unique(one, axis=0)) == 50 and is_valid(one).all()


def test_a_grid_without_a_solution_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="without a solution"):
        canonical(np.array([1, 1] + [0] * 14, dtype=np.uint8))


def test_no_puzzles_have_no_keys() -> None:
    assert symmetry_key(np.zeros((0, 81), dtype=np.uint8)).shape == (0,)
