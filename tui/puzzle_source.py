"""The puzzles that the model of a run is asked: held-out ones, new ones, and those of the user.

Everything here may take seconds and belongs into a thread. Importing this loads no torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.progress import result_of
from data.puzzle_kind import PuzzleKind
from models.runs.run import Run

if TYPE_CHECKING:
    from data.puzzles import PuzzleSet
    from models.generation.solver import Solver, SolveStep


@dataclass(frozen=True, slots=True)
class Posed:
    """A puzzle for the model."""

    name: str
    """Where it is from, in words."""
    kind: PuzzleKind
    puzzle: np.ndarray
    """(T,) uint8."""
    solution: np.ndarray | None
    """(T,) uint8; None where it is not known."""
    steps: "Iterator[SolveStep]"
    """The steps of the model, without end."""


class PuzzleSource:
    """The model of a run, and puzzles for it."""

    def __init__(self, solver: "Solver") -> None:
        self._solver = solver
        self._held_out: PuzzleSet | None = None
        self._next = 0
        self.kind = solver.kind
        self.cells = solver.cells
        self.default_steps = solver.default_steps
        self.trained_steps = solver.model.config.supervision_steps
        self.is_reading = True
        """Whether the held-out puzzles are still being read."""

    @classmethod
    def load(cls, run: Run, before: "PuzzleSource | None" = None) -> "PuzzleSource":
        """Load the model of a run, as it is now. Raises as `load_solver` does.

        Its puzzles go on where those of `before` are, where these have been read and are of the same size.
        """
        from models.generation.solver import load_solver

        source = cls(load_solver(run))
        if before is not None and before.cells == source.cells and not before.is_reading:
            source._held_out, source._next = before._held_out, before._next
            source.is_reading = False
        return source

    def read_held_out(self) -> None:
        """Read the puzzles that the run was not trained on. Raises CorpusError where they are gone, and
        UsageError or StorageError."""
        from models.runs.puzzles import load_puzzles

        try:
            _, self._held_out = result_of(load_puzzles(self._solver.run, self._solver.config))
        finally:
            self.is_reading = False

    def next(self) -> Posed:
        """The next held-out puzzle, from the first one again after the last; without them a new one."""
        if self._held_out is None:
            return self._posed("a new puzzle", *self._solver.new_puzzle())
        number, count = self._next, len(self._held_out)
        self._next = (number + 1) % count
        name = f"held-out {number + 1:,} of {count:,}"
        return self._posed(name, self._held_out.puzzles[number], self._held_out.solutions[number])

    def typed(self, text: str) -> Posed:
        """The puzzle in a text. Raises UsageError where it is none, or has another size, no solution or
        several."""
        puzzle = self.kind.parse(text)
        return self._posed("your puzzle", puzzle, self._solver.require_solvable(puzzle))

    def again(self, posed: Posed) -> Posed:
        """The same puzzle, from its first step."""
        return self._posed(posed.name, posed.puzzle, posed.solution)

    def _posed(self, name: str, puzzle: np.ndarray, solution: np.ndarray | None) -> Posed:
        from models.generation.solver import solve_steps

        return Posed(name, self.kind, puzzle, solution, solve_steps(self._solver, puzzle))
