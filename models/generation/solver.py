"""Solve puzzles with a trained model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import randbelow

import numpy as np
import torch

from data.errors import UsageError
from data.sudoku_checker import is_solution_of, require_unique
from data.sudoku_generator import generate
from data.sudoku_grid import geometry, geometry_of
from models.architectures.puzzle_model import SURE, PuzzleModel, answers_of
from models.errors import CheckpointError, RunError
from models.recursive_lm import States
from models.runs.load import load_model
from models.runs.run import Run
from models.runs.run_config import RunConfig

BATCH_SIZE = 64
"""Puzzles solved at the same time."""


@dataclass(frozen=True, slots=True)
class Solver:
    """A loaded puzzle model."""

    model: PuzzleModel
    run: Run
    config: RunConfig

    @property
    def size(self) -> int:
        """n of the n × n grids it solves."""
        return int(self.model.config.context_length**0.5)

    @property
    def default_steps(self) -> int:
        """The default limit of supervision steps: twice those of training."""
        return 2 * self.model.config.supervision_steps

    def require_size(self, puzzle: np.ndarray) -> None:
        """Raise UsageError if `puzzle` (n * n,) has another size."""
        if (n := geometry_of(puzzle).n) != self.size:
            raise UsageError(
                f"Run '{self.run.name}' solves {geometry(self.size).name} grids, but this one is "
                f"{geometry(n).name}.",
                hint=f"Train one for it: {{train task=sudoku:{n}x{n}}}",
            )

    def require_solvable(self, puzzle: np.ndarray) -> np.ndarray:
        """The one solution (n * n,) of `puzzle`. Raises UsageError for one of another size, and for one with
        no solution or several."""
        self.require_size(puzzle)
        return require_unique(puzzle)

    def new_puzzle(self) -> tuple[np.ndarray, np.ndarray]:
        """A random puzzle of this size and its solution, both (n * n,)."""
        return next(generate(self.size, 1, seed=randbelow(2**31)))


@dataclass(frozen=True, slots=True)
class Solution:
    """The model's answer to one puzzle. Grids are (n * n,) uint8."""

    puzzle: np.ndarray
    answer: np.ndarray
    valid: bool
    """Whether the answer solves the puzzle by the rules."""
    steps: int
    """Supervision steps used."""
    confidence: float
    """The model's confidence in the whole answer, 0 to 1."""
    step_answers: tuple[np.ndarray, ...]
    """The answer after each step."""

    @property
    def changed_cells(self) -> list[np.ndarray]:
        """(n * n,) bool for each step: the cells that the step changed, at first the blank ones."""
        answers = self.step_answers
        return [now != before for before, now in zip((self.puzzle, *answers), answers, strict=False)]


@dataclass(frozen=True, slots=True)
class SolveStep:
    """One supervision step of one puzzle."""

    answer: np.ndarray
    """(n * n,) uint8, with the clues unchanged."""
    confidence: float
    """The model's confidence in the whole answer, 0 to 1."""
    is_sure: bool
    """Whether that is enough to stop, as `solve_puzzles` does."""


def load_solver(run: Run, device: str = "cpu") -> Solver:
    """Load the run's best weights, in float32 and evaluation mode.

    Raises RunError if the run is not trained or not a puzzle model, and CheckpointError.
    """
    config = run.config()
    if config.data is None:
        raise RunError(f"Run '{run.name}' is not trained yet.", hint="Train one: {train task=sudoku:4x4}")
    config.require_puzzles(run.path)
    model = load_model(run, config, device)
    if not isinstance(model, PuzzleModel) or model.config.task == "text":
        raise CheckpointError(
            f"The config.json of run '{run.name}' does not describe a puzzle model.",
            hint="Restore the config.json it was trained with.",
        )
    return Solver(model, run, config)


def solve_puzzles(
    solver: Solver, puzzles: Sequence[np.ndarray], max_steps: int, *, sure: float = SURE
) -> list[Solution]:
    """Answer each of `puzzles` (n * n,) in at most `max_steps`. It stops early at confidence `sure`.

    Raises UsageError for a puzzle of another size.
    """
    for puzzle in puzzles:
        solver.require_size(puzzle)
    device = next(solver.model.parameters()).device
    solutions = []
    for first in range(0, len(puzzles), BATCH_SIZE):
        grids = np.stack(puzzles[first : first + BATCH_SIZE])
        tokens = torch.from_numpy(grids.astype(np.int64)).to(device)
        prediction = solver.model.predict(tokens, max_steps, sure=sure, keep_trail=True)
        answers = prediction.answers.cpu().numpy().astype(np.uint8)
        step_answers = [step.cpu().numpy().astype(np.uint8) for step in prediction.trail]
        valid = is_solution_of(answers, grids)
        for row, puzzle in enumerate(grids):
            steps = int(prediction.exit_steps[row])
            solutions.append(
                Solution(
                    puzzle=puzzle,
                    answer=answers[row],
                    valid=bool(valid[row]),
                    steps=steps,
                    confidence=float(prediction.confidence[row]),
                    step_answers=tuple(answer[row] for answer in step_answers[:steps]),
                )
            )
    return solutions


@torch.no_grad()
def solve_steps(solver: Solver, puzzle: np.ndarray) -> Iterator[SolveStep]:
    """Every supervision step of `puzzle` (n * n,). It has no end, also where the model is sure.

    Raises UsageError for a puzzle of another size.
    """
    solver.require_size(puzzle)
    device = next(solver.model.parameters()).device
    tokens = torch.from_numpy(puzzle.astype(np.int64)).to(device)[None]  # (1, T)
    states: States | None = None
    while True:
        thought = solver.model.ponder(tokens, states)
        states = thought.states
        answer = answers_of(thought, tokens)[0].cpu().numpy().astype(np.uint8)
        confidence = float(thought.halting.sigmoid())
        yield SolveStep(answer, confidence, confidence >= SURE)
