"""A trained model at work on puzzles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from data.errors import UsageError
from data.sudoku_checker import is_solution_of
from data.sudoku_grid import geometry, geometry_of
from models.architectures.puzzle_model import SURE, PuzzleModel
from models.errors import CheckpointError, RunError
from models.runs.load import load_model
from models.runs.run import Run
from models.runs.run_config import RunConfig

AT_ONCE = 64
"""Puzzles that are thought about side by side."""


@dataclass(frozen=True, slots=True)
class Solver:
    """A model of puzzles, ready to use."""

    model: PuzzleModel
    run: Run
    config: RunConfig

    @property
    def size(self) -> int:
        """n of the n × n grids it solves."""
        return int(self.model.config.context_length**0.5)

    @property
    def usual_steps(self) -> int:
        """Steps that are worth thinking unless more are asked for: twice those of training."""
        return 2 * self.model.config.supervision_steps

    def require_fit(self, puzzle: np.ndarray) -> None:
        """Raise UsageError where `puzzle` (n * n,) is of another size."""
        if (n := geometry_of(puzzle).n) != self.size:
            raise UsageError(
                f"Run '{self.run.name}' solves {geometry(self.size).name} grids, and this one is "
                f"{geometry(n).name}.",
                hint=f"Train one for it: {{train task=sudoku:{n}x{n}}}",
            )


@dataclass(frozen=True, slots=True)
class Solved:
    """What became of one puzzle. Grids are (n * n,) uint8."""

    puzzle: np.ndarray
    answer: np.ndarray
    valid: bool
    """Whether the answer solves the puzzle, checked by the rules."""
    steps: int
    """Supervision steps it was thought about."""
    confidence: float
    """How sure the model was of the whole answer, 0 to 1."""
    trail: tuple[np.ndarray, ...]
    """The answer after each step."""

    @property
    def changed(self) -> list[np.ndarray]:
        """(n * n,) bool for each step: the cells whose answer is another than before it, at first
        those that were blank."""
        return [now != before for before, now in zip((self.puzzle, *self.trail), self.trail, strict=False)]


def load_solver(run: Run, device: str = "cpu") -> Solver:
    """The run's best weights, in float32 and evaluation mode.

    Raises RunError where it solves no puzzles or nothing is trained yet, CheckpointError.
    """
    config = run.config()
    if config.data is None:
        raise RunError(f"Run '{run.name}' is not trained yet.", hint="Train one: {train task=sudoku:4x4}")
    config.require_puzzles(run.name)
    model = load_model(run, config, device)
    if not isinstance(model, PuzzleModel) or model.config.task == "text":
        raise CheckpointError(
            f"The config.json of run '{run.name}' describes no model of puzzles.",
            hint="Put the config.json back that it was trained with.",
        )
    return Solver(model, run, config)


def solve_puzzles(
    solver: Solver, puzzles: Sequence[np.ndarray], max_steps: int, *, sure: float = SURE
) -> list[Solved]:
    """Let the model answer each of `puzzles` (n * n,). Raises UsageError for one of another size."""
    for puzzle in puzzles:
        solver.require_fit(puzzle)
    device = next(solver.model.parameters()).device
    solved = []
    for first in range(0, len(puzzles), AT_ONCE):
        grids = np.stack(puzzles[first : first + AT_ONCE])
        tokens = torch.from_numpy(grids.astype(np.int64)).to(device)
        found = solver.model.predict(tokens, max_steps, sure=sure, keep_trail=True)
        answers = found.answers.cpu().numpy().astype(np.uint8)
        trail = [step.cpu().numpy().astype(np.uint8) for step in found.trail]
        valid = is_solution_of(answers, grids)
        for row, puzzle in enumerate(grids):
            steps = int(found.exit_steps[row])
            solved.append(
                Solved(
                    puzzle=puzzle,
                    answer=answers[row],
                    valid=bool(valid[row]),
                    steps=steps,
                    confidence=float(found.confidence[row]),
                    trail=tuple(answer[row] for answer in trail[:steps]),
                )
            )
    return solved
