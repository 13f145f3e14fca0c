"""The history of one puzzle that a model solves step by step, without a screen. Loads no torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.sudoku_checker import conflicts
from tui.puzzle_source import Posed

if TYPE_CHECKING:
    from models.generation.solver import SolveStep

FEWEST_STEPS, MOST_STEPS = 1, 512
"""Limits of the supervision steps of one puzzle here."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it is drawn."""

    digit: int
    """0 for a blank."""
    is_clue: bool = True
    is_changed: bool = False
    """By this step."""
    is_wrong: bool = False
    in_conflict: bool = False
    """Whether the digit is twice in a row, a column or a box."""


class PuzzleSolve:
    """One puzzle, the steps that were taken, and the step that is looked at.

    Grids are (n * n,) uint8. `at` is the number of the step that is looked at; 0 is the puzzle itself.
    """

    def __init__(self, posed: Posed, limit: int, trained_steps: int) -> None:
        self.posed = posed
        self.name = posed.name
        self.puzzle = posed.puzzle
        self.solution = posed.solution
        self.at = 0
        self.limit = limit
        """Steps that the model may take."""
        self.trained_steps = trained_steps
        """Steps that it took in training."""
        self._steps = posed.steps
        self._taken: list[SolveStep] = []

    def think(self, is_stopped: Callable[[], bool]) -> "Iterator[SolveStep]":
        """Take the steps up to the limit, which may change meanwhile, or until `is_stopped()`."""
        while len(self._taken) < self.limit and not is_stopped():
            step = next(self._steps)
            self._taken.append(step)
            yield step

    @property
    def taken(self) -> "list[SolveStep]":
        """The steps that were taken, up to the limit."""
        return self._taken[: self.limit]

    @property
    def is_complete(self) -> bool:
        return len(self._taken) >= self.limit

    def go_to(self, step: int) -> bool:
        """Look at a step, or at the nearest one that was taken. Whether that is another one than before."""
        before, self.at = self.at, max(0, min(step, len(self.taken)))
        return self.at != before

    def change_limit(self, limit: int) -> None:
        """Let the model take so many steps. What was taken beyond them is kept, and not shown."""
        self.limit = max(FEWEST_STEPS, min(limit, MOST_STEPS))
        self.go_to(self.at)

    def grid_at(self, step: int) -> np.ndarray:
        """The grid after a step that was taken."""
        return self._taken[step - 1].answer if step else self.puzzle

    @property
    def grid(self) -> np.ndarray:
        return self.grid_at(self.at)

    @property
    def blanks(self) -> int:
        """Cells that the model has to fill."""
        return int((self.puzzle == 0).sum())

    def right_at(self, step: int) -> int:
        """How many of these are right after a step."""
        return int(((self.puzzle == 0) & (self.grid_at(step) == self.solution)).sum())

    @property
    def changed(self) -> np.ndarray:
        """(n * n,) bool: the cells that this step changed. The first step fills blanks and changes none."""
        if self.at < 2:
            return np.zeros_like(self.puzzle, dtype=bool)
        return np.asarray(self.grid != self.grid_at(self.at - 1))

    @property
    def in_conflict(self) -> np.ndarray:
        """(n * n,) bool: the cells with a digit that is twice in a row, a column or a box."""
        return conflicts(self.grid)

    @property
    def confidence(self) -> float | None:
        """The model's confidence in the grid that is looked at, 0 to 1. None for the puzzle itself."""
        return self._taken[self.at - 1].confidence if self.at else None

    @property
    def sure_at(self) -> int | None:
        """The first step at which the model is sure enough to stop; None where it was not yet."""
        return next((number for number, step in enumerate(self.taken, start=1) if step.is_sure), None)

    @property
    def solved_at(self) -> int | None:
        """The first step with the solution; None where there was none yet."""
        found = (number for number, step in enumerate(self.taken, start=1) if self._is_solved(step.answer))
        return next(found, None)

    @property
    def is_solved(self) -> bool:
        """Whether the grid that is looked at is the solution."""
        return self._is_solved(self.grid)

    def _is_solved(self, grid: np.ndarray) -> bool:
        return bool((grid == self.solution).all())

    def cells(self) -> list[Cell]:
        """The grid that is looked at, cell by cell in reading order."""
        wrong = (self.grid != 0) & (self.grid != self.solution)
        columns = (self.grid, (self.puzzle != 0), self.changed, wrong, self.in_conflict)
        return [Cell(*values) for values in zip(*(one.tolist() for one in columns), strict=True)]


def plain_cells(grid: np.ndarray) -> list[Cell]:
    """A grid (n * n,) of clues and blanks, cell by cell."""
    return [Cell(digit) for digit in grid.tolist()]
