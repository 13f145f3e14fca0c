"""Sudoku grids as text: read in the ways people write them, written in a line, and drawn."""

import re
from collections.abc import Iterator

import numpy as np

from data.errors import UsageError
from data.puzzle_kind import Mark, texts_of_grids
from data.sudoku_grid import SIZES, geometry, geometry_of
from data.wording import counted

_DRAWING = re.compile(r"[\s|+*─-╿-]+")
_FOREIGN = re.compile(r"[^0-9.]")
_HOW = "Write each row from the top, a digit for each clue and a dot or 0 for each blank."


def parse_grid(text: str, what: str = "puzzle") -> np.ndarray:
    """A grid (n * n,) uint8 from text: 16, 36 or 81 digits, dots and zeros, in reading order.

    White space, line ends and the lines of a drawing (| - + * and box characters) may be anywhere between
    them. Raises UsageError for anything else; its message calls the grid `what`.
    """
    symbols = _DRAWING.sub("", text)
    if foreign := _FOREIGN.search(symbols):
        raise UsageError(f"The {what} has {foreign.group()!a} in it.", hint=_HOW)
    n = next((n for n in SIZES if n * n == len(symbols)), None)
    if n is None:
        raise UsageError(
            f"The {what} has {counted(len(symbols), 'cell')}, and a grid has 16, 36 or 81.", hint=_HOW
        )
    grid = np.frombuffer(symbols.replace(".", "0").encode("ascii"), dtype=np.uint8) - ord("0")
    if grid.max() > n:
        raise UsageError(
            f"The {what} has the digit {grid.max()}, and a {geometry(n).name} grid has 1 to {n}.", hint=_HOW
        )
    return grid


def cells_in(text: str) -> int:
    """How many cells `parse_grid` sees in a text, whatever is in them."""
    return len(_DRAWING.sub("", text))


def has_grid_length(text: str) -> bool:
    """Whether a text has as many cells as a grid, whatever is in them."""
    return cells_in(text) in {n * n for n in SIZES}


def parse_grids(text: str) -> list[np.ndarray]:
    """All grids of a text: one on each line, or drawn over several lines with empty lines between
    grids. Raises UsageError as `parse_grid`, or where there is none."""
    grids = [parse_grid(one) for one in texts_of_grids(text, has_grid_length)]
    if not grids:
        raise UsageError("There is no puzzle.", hint=_HOW)
    return grids


def grid_line(grid: np.ndarray) -> str:
    """A grid (n * n,) as one line, with a dot for each blank."""
    return "".join(str(digit) if digit else "." for digit in grid.tolist())


def draw_grid(
    grid: np.ndarray, puzzle: np.ndarray | None = None, changed: np.ndarray | None = None
) -> Iterator[tuple[str, Mark]]:
    """A drawing of a grid (n * n,) over several lines: its pieces in order, and what each piece is, so that a
    front end can colour them.

    Boxes are framed, and a star follows each changed cell. The last line has no newline. Digits of `puzzle`
    (n * n,) are clues, and without it all are; `changed` (n * n,) bool are the cells to mark.
    """
    shape = geometry_of(grid)
    n, stacks = shape.n, shape.n // shape.box_width
    bar = "─" * (2 * shape.box_width + 1)
    clues = grid if puzzle is None else puzzle
    yield "┌" + "┬".join([bar] * stacks) + "┐", "frame"
    for row in range(n):
        if row and row % shape.box_height == 0:
            yield "\n├" + "┼".join([bar] * stacks) + "┤", "frame"
        for column in range(n):
            if column % shape.box_width == 0:
                yield ("│ " if column else "\n│ "), "frame"
            cell = row * n + column
            star = bool(changed is not None and changed[cell])
            mark: Mark = "blank"
            if star:
                mark = "changed"
            elif grid[cell]:
                mark = "clue" if clues[cell] == grid[cell] else "filled"
            yield f"{grid[cell] or '.'}{'*' if star else ' '}", mark
        yield "│", "frame"
    yield "\n└" + "┴".join([bar] * stacks) + "┘", "frame"
