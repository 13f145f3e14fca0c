"""Sudoku grids of three sizes: 4×4 with boxes of 2×2, 6×6 with boxes of 2 rows × 3 columns, 9×9 with boxes of
3×3.

A grid is a uint8 array (..., n * n) in reading order: 0 is a blank, 1 to n are digits. Functions on grids
take the size from its length.
"""

import functools
from dataclasses import dataclass

import numpy as np

_BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}
SIZES = tuple(_BOXES)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The shape of an n × n grid. A box has `box_height` rows and `box_width` columns; a band is the rows of
    one row of boxes, a stack the columns of one column of boxes."""

    n: int
    box_height: int
    box_width: int

    @property
    def cells(self) -> int:
        return self.n * self.n

    @property
    def name(self) -> str:
        """Such as "9×9"."""
        return f"{self.n}×{self.n}"

    @property
    def can_transpose(self) -> bool:
        """Whether boxes are still boxes after rows and columns are swapped."""
        return self.box_height == self.box_width


def geometry(n: int) -> Geometry:
    """The geometry of an n × n grid. Raises ValueError where n is not in SIZES."""
    if n not in _BOXES:
        raise ValueError(f"a grid is 4×4, 6×6 or 9×9, not {n}×{n}")
    return Geometry(n, *_BOXES[n])


def geometry_of(grids: np.ndarray) -> Geometry:
    """The geometry of grids (..., n * n). Raises ValueError for another number of cells."""
    n = next((n for n in SIZES if n * n == grids.shape[-1]), None)
    if n is None:
        raise ValueError(f"{grids.shape[-1]} cells are not a grid: a grid has 16, 36 or 81")
    return geometry(n)


@functools.cache
def units(n: int) -> np.ndarray:
    """(3 n, n) the cells of each row, then of each column, then of each box."""
    shape = geometry(n)
    cells = np.arange(n * n).reshape(n, n)
    bands, stacks = n // shape.box_height, n // shape.box_width
    by_box = cells.reshape(bands, shape.box_height, stacks, shape.box_width).transpose(0, 2, 1, 3)
    found = np.concatenate((cells, cells.T, by_box.reshape(n, n)))
    found.setflags(write=False)
    return found


def unit_name(number: int, n: int) -> str:
    """The name of the unit of that number in `units`, such as "row 3", "column 1" or "box 2"."""
    return f"{('row', 'column', 'box')[number // n]} {number % n + 1}"
