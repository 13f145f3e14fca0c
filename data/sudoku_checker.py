"""Whether a grid is solved, and whether a puzzle has exactly one solution."""

import itertools

import numpy as np

from data.errors import UsageError
from data.sudoku_grid import geometry_of, unit_name, units
from data.sudoku_solver import solutions


def is_valid(grids: np.ndarray) -> np.ndarray:
    """Whether each grid (..., n * n) has every digit once in every row, column and box: (...,) bool."""
    n = geometry_of(grids).n
    bits = np.left_shift(1, np.minimum(grids, 15), dtype=np.int32)
    found = np.bitwise_or.reduce(bits[..., units(n)], axis=-1)  # (..., 3 n)
    return np.asarray((found == 2 ** (n + 1) - 2).all(axis=-1))


def is_solution_of(grids: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
    """Whether each grid (..., n * n) is valid and keeps the clues of its puzzle: (...,) bool."""
    keeps_clues = ((puzzles == 0) | (puzzles == grids)).all(axis=-1)
    return np.asarray(is_valid(grids) & keeps_clues)


def find_repeated_digit(grid: np.ndarray) -> str:
    """A sentence part on a digit that occurs more than once in a unit of a grid (n * n,), or ""."""
    n = geometry_of(grid).n
    for number, unit in enumerate(units(n)):
        for digit, count in enumerate(np.bincount(grid[unit], minlength=n + 1)[1:].tolist(), start=1):
            if count > 1:
                return f"{unit_name(number, n)} has {'two' if count == 2 else count} {digit}s"
    return ""


def conflicts(grid: np.ndarray) -> np.ndarray:
    """The cells of a grid (n * n,) with a digit that is twice in one of their units: (n * n,) bool."""
    n = geometry_of(grid).n
    found = np.zeros(n * n, dtype=bool)
    for unit in units(n):
        digits = grid[unit]
        found[unit] |= (digits > 0) & (np.bincount(digits, minlength=n + 1)[digits] > 1)
    return found


def require_unique(puzzle: np.ndarray) -> np.ndarray:
    """The one solution (n * n,) of a puzzle (n * n,).

    Raises UsageError for a puzzle with none or several.
    """
    if reason := find_repeated_digit(puzzle):
        raise UsageError(
            f"The puzzle has no solution, because {reason}.", hint="Correct its clues and try again."
        )
    found = list(itertools.islice(solutions(puzzle), 2))
    if not found:
        raise UsageError("The puzzle has no solution.", hint="Correct its clues and try again.")
    if len(found) > 1:
        raise UsageError(
            "The puzzle has more than one solution.",
            hint="Add clues until only one is left, or correct them.",
        )
    return found[0]
