"""Symmetries of Sudoku: changes that leave the problem the same.

Digits can be relabelled, rows swapped within a band and bands with each other, columns within a stack and
stacks with each other, and, where boxes are square, rows swapped with columns. Symmetries are drawn at random
for training, and a key tells which puzzles are equal under one.
"""

import numpy as np

from data.permutation import GOLDEN_GAMMA, splitmix64
from data.puzzle_kind import Symmetry
from data.sudoku_grid import Geometry, geometry, geometry_of, units

_KEYED_TOGETHER = 4096
_KEY_ROUNDS = 3
_ROLES = np.arange(5, dtype=np.uint64) * GOLDEN_GAMMA
"""Added to a sum over a row, a column, a box or a digit, so that equal sums of different kinds differ."""


def random_symmetry(rng: np.random.Generator, size: int, batch: int) -> Symmetry:
    """`batch` symmetries of size × size grids, all equally likely."""
    shape = geometry(size)
    rows = _lines(rng, shape.n, shape.box_height, batch)
    columns = _lines(rng, shape.n, shape.box_width, batch)
    cells = rows[:, :, None] * shape.n + columns[:, None, :]  # (B, n, n)
    if shape.can_transpose:
        cells = np.where(rng.random((batch, 1, 1)) < 0.5, cells.transpose(0, 2, 1), cells)
    digits = np.zeros((batch, shape.n + 1), dtype=np.uint8)
    digits[:, 1:] = 1 + rng.random((batch, shape.n)).argsort(axis=1)
    return Symmetry(cells.reshape(batch, shape.cells), digits)


def symmetry_key(puzzles: np.ndarray) -> np.ndarray:
    """(N,) uint64 for puzzles (N, n * n): the same for two puzzles that are equal under a symmetry.

    So puzzles with different keys are different problems; rarely, different problems share a key. The keys
    are made as in the colour refinement of graphs (Weisfeiler and Leman, 1968): a few times, each cell takes
    a new colour from the colours in its row, column and box and of all cells with its digit.
    """
    shape = geometry_of(puzzles)
    parts = [
        _keys(puzzles[start : start + _KEYED_TOGETHER], shape)
        for start in range(0, len(puzzles), _KEYED_TOGETHER)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)


def _lines(rng: np.random.Generator, n: int, box_lines: int, batch: int) -> np.ndarray:
    """(B, n): rows or columns in a random order that keeps those of a box together."""
    groups = rng.random((batch, n // box_lines)).argsort(axis=1)
    within = rng.random((batch, n // box_lines, box_lines)).argsort(axis=2)
    return (groups[:, :, None] * box_lines + within).reshape(batch, n)


def _keys(puzzles: np.ndarray, shape: Geometry) -> np.ndarray:
    n = shape.n
    rows, columns, boxes = np.split(units(n), 3)
    # Rows and columns count as the same kind where they can be swapped.
    roles = [(rows, 1), (columns, 1 if shape.can_transpose else 2), (boxes, 3)]
    cells_of_digits = [puzzles == digit for digit in range(1, n + 1)]
    colours = splitmix64((puzzles > 0).astype(np.uint64))  # (N, n * n)
    for _ in range(_KEY_ROUNDS):
        mixture = colours.copy()
        for groups, role in roles:
            sums = colours[:, groups].sum(axis=2)  # (N, n)
            mixture[:, groups.ravel()] += np.repeat(splitmix64(sums + _ROLES[role]), n, axis=1)
        for cells in cells_of_digits:
            sums = (colours * cells).sum(axis=1, keepdims=True)  # (N, 1)
            mixture += cells * splitmix64(sums + _ROLES[4])
        colours = splitmix64(mixture)
    return np.asarray(colours.sum(axis=1))
