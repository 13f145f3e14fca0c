"""The history of one puzzle that a model solves step by step, without a screen. Loads no torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.puzzle_kind import PuzzleKind
from tui.puzzle_source import Posed

if TYPE_CHECKING:
    from models.generation.solver import SolveStep

FEWEST_STEPS, MOST_STEPS = 1, 512
"""Limits of the supervision steps of one puzzle here."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as it is drawn."""

    text: str
    """A character; empty for a blank."""
    is_clue: bool = True
    """Whether it is a part of the puzzle, and no answer."""
    is_changed: bool = False
    """By this step."""
    is_wrong: bool = False
    in_conflict: bool = False
    """Whether it breaks a rule together with others: a digit is twice in a row, a column or a box."""


class PuzzleSolve:
    """One puzzle, the steps that were taken, and the step that is looked at.

    Grids are (T,) uint8. `at` is the number of the step that is looked at; 0 is the puzzle itself.
    """

    def __init__(self, posed: Posed, limit: int, trained_steps: int) -> None:
        self.posed = posed
        self.name = posed.name
        self.kind = posed.kind
        self.puzzle = posed.puzzle
        self.solution = posed.solution
        """None where it is not known."""
        self.at = 0
        self.limit = limit
        """Steps that the model may take."""
        self.trained_steps = trained_steps
        """Steps that it took in training."""
        self._steps = posed.steps
        self._taken: list[SolveStep] = []
        self._is_right: list[bool] = []
        self._asked = posed.kind.asked(posed.puzzle)

    def think(self, is_stopped: Callable[[], bool]) -> "Iterator[SolveStep]":
        """Take the steps up to the limit, which may change meanwhile, or until `is_stopped()`."""
        while len(self._taken) < self.limit and not is_stopped():
            step = next(self._steps)
            self._is_right.append(self._is_solution(step.answer))
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
    def asked(self) -> int:
        """Cells that the model has to answer."""
        return int(self._asked.sum())

    def right_at(self, step: int) -> int:
        """How many of these are right after a step. 0 where the solution is not known."""
        if self.solution is None:
            return 0
        return self.asked if self.is_right_at(step) else self._equal_at(step)

    def _equal_at(self, step: int) -> int:
        return int((self._asked & (self.grid_at(step) == self.solution)).sum())

    @property
    def filled(self) -> int:
        """Cells in which the grid that is looked at differs from the puzzle."""
        return int((self.grid != self.puzzle).sum())

    @property
    def changed(self) -> np.ndarray:
        """(T,) bool: the cells that this step changed. The first step fills cells and changes none."""
        if self.at < 2:
            return np.zeros_like(self.puzzle, dtype=bool)
        return np.asarray(self.grid != self.grid_at(self.at - 1))

    @property
    def in_conflict(self) -> np.ndarray:
        """(T,) bool: the cells that break a rule together."""
        return self.kind.conflicts(self.grid)

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
        """The first step with a right answer; None where there was none yet."""
        steps = range(1, len(self.taken) + 1)
        return next((step for step in steps if self.is_right_at(step)), None)

    @property
    def is_solved(self) -> bool:
        """Whether the grid that is looked at is right."""
        return self.is_right_at(self.at)

    def is_right_at(self, step: int) -> bool:
        """Whether the grid after a step that was taken is right. By the rules it may be another one than the
        solution."""
        return step > 0 and self._is_right[step - 1]

    def _is_solution(self, grid: np.ndarray) -> bool:
        if self.solution is not None and np.array_equal(grid, self.solution):
            return True
        return bool(self.kind.is_solution_of(grid, self.puzzle))

    def cells(self) -> list[Cell]:
        """The grid that is looked at, cell by cell in reading order."""
        wrong = np.zeros(len(self.puzzle), dtype=bool)
        if self.at and self.solution is not None and not self.is_solved:
            wrong = self._asked & (self.grid != self.solution)
        texts = [self.kind.cell_text(symbol) for symbol in self.grid.tolist()]
        columns = (~self._asked, self.changed, wrong, self.in_conflict)
        return [
            Cell(text, *values)
            for text, *values in zip(texts, *(one.tolist() for one in columns), strict=True)
        ]


def plain_cells(kind: PuzzleKind, puzzle: np.ndarray) -> list[Cell]:
    """A puzzle (T,) that nobody has answered, cell by cell."""
    asked = kind.asked(puzzle).tolist()
    return [
        Cell(kind.cell_text(symbol), not is_asked)
        for symbol, is_asked in zip(puzzle.tolist(), asked, strict=True)
    ]
