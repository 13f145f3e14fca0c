"""The kinds of puzzles, and the sets of them that are made here, by name. To add a kind: a line in KINDS."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from data.errors import UsageError
from data.maze_grid import SIDES as MAZE_SIDES
from data.maze_grid import SYMBOLS as MAZE_SYMBOLS
from data.maze_kind import MazeKind
from data.nearest import did_you_mean
from data.puzzle_kind import GridLayout, PuzzleKind
from data.string_kind import MOST_CELLS, MOST_SYMBOLS, StringKind, layout_of_strings
from data.sudoku_generator import CLUES, HARD_CLUES, generate
from data.sudoku_grid import SIZES as SUDOKU_SIZES
from data.sudoku_kind import SudokuKind

KINDS: Mapping[str, type[PuzzleKind]] = {kind.task: kind for kind in (SudokuKind, MazeKind, StringKind)}
"""By the task of a model (`model.task`)."""

_SUDOKUS = {
    "sudoku:4x4": (4, CLUES[4], 20_000),
    "sudoku:6x6": (6, CLUES[6], 20_000),
    "sudoku:9x9": (9, CLUES[9], 10_000),
    "sudoku:9x9-hard": (9, HARD_CLUES, 2_000),
}
_MAZES = 20_000
"""Mazes of a set by default."""


@dataclass(frozen=True, slots=True)
class NamedSet:
    """Puzzles that are made here."""

    kind: PuzzleKind
    cells: int
    usual_count: int
    identity: tuple[str, ...]
    """What the puzzles depend on besides their number and the seed."""
    clues: tuple[int, int] | None = None
    """Of Sudokus, the fewest and the most."""

    def generate(self, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`count` different puzzles and their solutions."""
        if self.clues is not None:
            return generate(self.kind.side(self.cells), count, self.clues, seed)
        return self.kind.generate(self.cells, count, seed)


def kind_of(task: str, symbols: str | None = None) -> PuzzleKind:
    """The kind that models of `task` solve; `symbols` are those of strings. Raises UsageError."""
    if task not in KINDS:
        raise UsageError(f"There are no puzzles of task '{task}'.", hint=did_you_mean(task, KINDS))
    return StringKind(symbols or "") if task == StringKind.task else KINDS[task]()


def is_named(source: str) -> bool:
    """Whether a source is the name of puzzles that are made here, and not a file."""
    return source.startswith(("sudoku:", "maze:"))


def named_set(source: str) -> NamedSet:
    """The puzzles of that name, which `is_named`. Raises UsageError for an unknown one."""
    name = source.replace("×", "x")
    if name in _SUDOKUS:
        n, clues, usual = _SUDOKUS[name]
        return NamedSet(SudokuKind(), n * n, usual, (name, str(clues)), clues)
    side = name.removeprefix("maze:")
    sides = {f"{n}x{n}": n for n in MAZE_SIDES}
    if side in sides:
        return NamedSet(MazeKind(), sides[side] ** 2, _MAZES, (name,))
    if name.startswith("maze:"):
        first, last = MAZE_SIDES[0], MAZE_SIDES[-1]
        raise UsageError(
            f"There are no mazes called '{source}'.",
            hint=f"The sizes are {first}x{first} to {last}x{last}: {{train task=maze:15x15}}",
            field="task",
        )
    raise UsageError(f"There are no puzzles called '{name}'.", hint=did_you_mean(name, _SUDOKUS))


def layout_of(task: str, symbols: int, cells: int) -> GridLayout:
    """What a model of a task knows of its grids. Raises UsageError for sizes that no puzzle of it has."""
    if not fits(task, symbols, cells):
        what = {SudokuKind.task: "Sudoku", MazeKind.task: "maze", StringKind.task: "strings"}[task]
        values = f"{symbols - 1} digits" if task == SudokuKind.task else f"{symbols} symbols"
        raise UsageError(
            f"A model of {cells} cells and {values} fits no {what}.",
            hint="Leave both to the puzzles: {train task=sudoku:4x4}",
        )
    if task == StringKind.task:
        return layout_of_strings(cells, symbols)
    return KINDS[task]().layout(cells)


def fits(task: str, symbols: int, cells: int) -> bool:
    """Whether puzzles of that task may have so many symbols and cells."""
    if task == SudokuKind.task:
        return symbols - 1 in SUDOKU_SIZES and cells == (symbols - 1) ** 2
    if task == MazeKind.task:
        return symbols == MAZE_SYMBOLS and cells in {n * n for n in MAZE_SIDES}
    return 1 <= cells <= MOST_CELLS and 1 <= symbols <= MOST_SYMBOLS
