"""The kinds of puzzles. To add one: a class with the contract of `data.puzzle_kind`, and a place in KINDS."""

from collections.abc import Mapping

from data.errors import UsageError
from data.maze_kind import MazeKind
from data.nearest import did_you_mean
from data.puzzle_kind import GridLayout, NamedSet, PuzzleKind
from data.string_kind import StringKind
from data.sudoku_kind import SudokuKind

KINDS: Mapping[str, type[PuzzleKind]] = {kind.task: kind for kind in (SudokuKind, MazeKind, StringKind)}
"""By the task of a model (`model.task`)."""


def kind_of(task: str, symbols: str | None = None) -> PuzzleKind:
    """The kind that models of `task` solve; `symbols` are those of strings. Raises UsageError."""
    if task not in KINDS:
        raise UsageError(f"There are no puzzles of task '{task}'.", hint=did_you_mean(task, KINDS))
    return StringKind(symbols or "") if task == StringKind.task else KINDS[task]()


def named_set(source: str) -> NamedSet | None:
    """The puzzles that are made here by the name `source`, such as maze:9x9; None for a file. Raises
    UsageError for a name that begins as one of these and is none."""
    task, colon, _ = source.partition(":")
    return KINDS[task].named_set(source.replace("×", "x")) if colon and task in KINDS else None


def layout_of(task: str, symbols: int, cells: int) -> GridLayout:
    """What a model of a task knows of its grids. Raises UsageError for sizes that no puzzle of it has."""
    try:
        return KINDS[task].layout_of(symbols, cells)
    except ValueError as error:
        raise UsageError(
            f"A model of {cells} cells and {symbols} symbols fits no {KINDS[task].noun}: {error}.",
            hint="Leave both to the puzzles: {train task=sudoku:4x4}",
        ) from error
