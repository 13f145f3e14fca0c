"""The eight symmetries of a square maze: turned by quarters, and mirrored."""

import functools

import numpy as np

from data.maze_grid import SYMBOLS, side_of
from data.permutation import splitmix64
from data.puzzle_kind import Symmetry

_KEYED_TOGETHER = 1024


@functools.cache
def turns(n: int) -> np.ndarray:
    """(8, n * n): for each symmetry and each cell, the cell its content is taken from."""
    cells = np.arange(n * n).reshape(n, n)
    found = np.stack([np.rot90(grid, quarter).ravel() for grid in (cells, cells.T) for quarter in range(4)])
    found.setflags(write=False)
    return found


def random_turn(rng: np.random.Generator, n: int, batch: int) -> Symmetry:
    """`batch` symmetries of n × n mazes, all equally likely."""
    same = np.broadcast_to(np.arange(SYMBOLS, dtype=np.uint8), (batch, SYMBOLS))
    return Symmetry(turns(n)[rng.integers(0, 8, batch)], same)


def maze_key(mazes: np.ndarray) -> np.ndarray:
    """(N,) uint64 for mazes (N, n * n): the same for two that are equal under a symmetry, and almost never
    for others. It is the smallest of the sums over the cells that the eight images have (Zobrist, 1970)."""
    cells = mazes.shape[-1]
    images = turns(side_of(cells))
    table = splitmix64(np.arange(1, cells * SYMBOLS + 1, dtype=np.uint64)).reshape(cells, SYMBOLS)
    parts = [np.zeros(0, dtype=np.uint64)]
    for start in range(0, len(mazes), _KEYED_TOGETHER):
        some = mazes[start : start + _KEYED_TOGETHER]
        sums = [table[np.arange(cells), some[:, image]].sum(axis=1, dtype=np.uint64) for image in images]
        parts.append(np.min(sums, axis=0))
    return np.concatenate(parts)
