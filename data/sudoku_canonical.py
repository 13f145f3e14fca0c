"""One puzzle to stand for all that are equal to it under the symmetries of Sudoku."""

import functools
import itertools

import numpy as np

from data.sudoku_grid import Geometry, geometry, geometry_of
from data.sudoku_solver import solve


def canonical(puzzle: np.ndarray, solution: np.ndarray | None = None) -> np.ndarray:
    """The same (n * n,) uint8 for two puzzles exactly if a symmetry turns one into the other.

    For puzzles with one solution, which is found where it is not given; ValueError where there
    is none. Of all forms of the solution the first in reading order is taken, and of the forms
    that the puzzle has where the solution has this one, again the first. The rows below the
    second follow from the first two, so only these are tried: every pair of rows of a band,
    under every order of the columns.
    """
    shape = geometry_of(puzzle)
    if solution is None:
        solution = solve(puzzle)
    if solution is None:
        raise ValueError("a puzzle without a solution has no canonical form")
    upright = [grid.reshape(shape.n, shape.n) for grid in (solution, puzzle)]
    sides = [upright, [grid.T for grid in upright]] if shape.can_transpose else [upright]
    forms: list[bytes] = []
    least = None
    for solved, posed in sides:
        second_row, orders, labels = _first_two_rows(solved, shape)
        if least is None or second_row < least:
            least, forms = second_row, []
        if second_row == least:
            forms += _forms(solved, posed, orders, labels, shape)
    return np.frombuffer(min(forms)[shape.cells :], dtype=np.uint8)


def _first_two_rows(solved: np.ndarray, shape: Geometry) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The least second row under a first row of 1 to n; and for every way to have it so, the order
    of the columns (K, n) and what each digit becomes (K, n + 1)."""
    n, width = shape.n, shape.box_width
    orders, places = _column_orders(n), _places(n)  # (C, n)
    first, second = _row_pairs(n)  # (P,)
    column_of = solved.argsort(axis=1)  # (n, n): by row, and by digit counted from 0
    partner = column_of[first[:, None], solved[second].astype(np.intp) - 1]  # (P, n)
    # The first box settles most of it.
    heads = places[np.arange(len(orders))[:, None], partner[:, orders[:, :width]]]  # (P, C, box_width)
    codes = heads @ n ** np.arange(width)[::-1]  # (P, C)
    pair, order = np.nonzero(codes == codes.min())
    chosen = orders[order]  # (K, n)
    seconds = places[order[:, None], partner[pair[:, None], chosen]].astype(np.uint8)  # (K, n)
    rows = [row.tobytes() for row in seconds]
    least = min(rows)
    kept = np.array([index for index, row in enumerate(rows) if row == least])
    chosen, pair = chosen[kept], pair[kept]
    labels = np.zeros((len(chosen), n + 1), dtype=np.uint8)
    digits = solved[first[pair][:, None], chosen].astype(np.intp)
    np.put_along_axis(labels, digits, np.arange(1, n + 1, dtype=np.uint8)[None], axis=1)
    return least, chosen, labels


def _forms(
    solved: np.ndarray, posed: np.ndarray, orders: np.ndarray, labels: np.ndarray, shape: Geometry
) -> list[bytes]:
    """The solution and the puzzle behind it, for each order of the columns and its labels."""
    n, height = shape.n, shape.box_height
    which = np.arange(len(orders))[:, None, None]
    grids = [labels[which, grid[:, orders].transpose(1, 0, 2)] for grid in (solved, posed)]  # (K, n, n)
    heads = grids[0][:, :, 0].astype(np.intp).reshape(-1, n // height, height)
    ranks = (heads.min(axis=2, keepdims=True) * (n + 1) + heads).reshape(-1, n)
    rows = ranks.argsort(axis=1)[:, :, None]  # (K, n, 1)
    both = [np.take_along_axis(grid, rows, axis=1).reshape(-1, shape.cells) for grid in grids]
    return [form.tobytes() for form in np.concatenate(both, axis=1)]


@functools.cache
def _column_orders(n: int) -> np.ndarray:
    """(C, n) every order of the columns that keeps the stacks together."""
    width = geometry(n).box_width
    within = list(itertools.permutations(range(width)))
    orders = [
        [stack * width + column for stack, inner in zip(stacks, inners, strict=True) for column in inner]
        for stacks in itertools.permutations(range(n // width))
        for inners in itertools.product(within, repeat=n // width)
    ]
    return np.array(orders)


@functools.cache
def _places(n: int) -> np.ndarray:
    """(C, n) where each order of the columns puts each column."""
    return _column_orders(n).argsort(axis=1)


@functools.cache
def _row_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """(P,), (P,) every row, with every other row of its band."""
    height = geometry(n).box_height
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b and a // height == b // height]
    first, second = np.array(pairs).T
    return first, second
