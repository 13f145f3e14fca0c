"""Mazes as text: read as people draw them, written in a line, and drawn."""

import re
from collections.abc import Iterator

import numpy as np

from data.errors import UsageError
from data.maze_grid import GOAL, PATH, SIDES, START, WALL, side_of
from data.puzzle_kind import Mark
from data.wording import counted

CHARACTERS = "#.SGo"
"""Wall, way, start, goal, path, by the number of the symbol."""

_BETWEEN_ROWS = re.compile(r"[\s|/]+")
_FOREIGN = re.compile(f"[^{re.escape(CHARACTERS)}]")
_HOW = "Write each row from the top: # for a wall, . for a way, S for the start, G for the goal."


def parse_maze(text: str, what: str = "maze") -> np.ndarray:
    """A maze (n * n,) uint8 from text, or a solution, where `o` is the path.

    White space, line ends, | and / may be between rows. Raises UsageError for anything else; its message
    calls the maze `what`.
    """
    symbols = _BETWEEN_ROWS.sub("", text)
    if foreign := _FOREIGN.search(symbols):
        raise UsageError(f"The {what} has {foreign.group()!a} in it.", hint=_HOW)
    if not is_square(len(symbols)):
        raise UsageError(
            f"The {what} has {counted(len(symbols), 'cell')}, and a maze has {SIDES[0]}×{SIDES[0]} "
            f"to {SIDES[-1]}×{SIDES[-1]}.",
            hint=_HOW,
        )
    for symbol in "SG":
        if (count := symbols.count(symbol)) != 1:
            raise UsageError(f"The {what} has {count or 'no'} {symbol}{'s' * (count > 1)}.", hint=_HOW)
    return np.array([CHARACTERS.index(symbol) for symbol in symbols], dtype=np.uint8)


def is_square(cells: int) -> bool:
    """Whether a maze may have so many cells."""
    return cells in {n * n for n in SIDES}


def cells_in(text: str) -> int:
    """How many cells `parse_maze` sees in a text, whatever is in them."""
    return len(_BETWEEN_ROWS.sub("", text))


def maze_line(maze: np.ndarray) -> str:
    """A maze (n * n,) as one line."""
    return "".join(CHARACTERS[symbol] for symbol in maze.tolist())


def draw_maze(
    maze: np.ndarray, changed: np.ndarray | None = None, wrong: np.ndarray | None = None
) -> Iterator[tuple[str, Mark]]:
    """A drawing of a maze (n * n,) in a frame, two columns for each cell, in pieces.

    A star follows each cell of `changed`, a cross each other one of `wrong`; both are (n * n,) bool.
    """
    n = side_of(len(maze))
    yield f"┌{'─' * (2 * n)}┐", "frame"
    for row in range(n):
        yield "\n│", "frame"
        for cell in range(row * n, row * n + n):
            symbol = int(maze[cell])
            is_changed = changed is not None and bool(changed[cell])
            is_wrong = wrong is not None and bool(wrong[cell])
            if symbol == WALL:
                yield "██", "frame"
                continue
            shown = CHARACTERS[symbol] if symbol in (START, GOAL, PATH) else " "
            mark: Mark = "clue" if symbol in (START, GOAL) else "filled" if symbol == PATH else "blank"
            yield (
                f"{shown}{'*' if is_changed else '×' if is_wrong else ' '}",
                "changed" if is_changed else "wrong" if is_wrong else mark,
            )
        yield "│", "frame"
    yield f"\n└{'─' * (2 * n)}┘", "frame"
