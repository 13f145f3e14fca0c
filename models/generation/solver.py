"""Solve puzzles with a trained model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import randbelow

import numpy as np
import torch

from data.errors import UsageError
from data.progress import result_of
from data.puzzle_kind import PuzzleKind
from models.architectures.puzzle_model import SURE, PuzzleModel
from models.errors import CheckpointError, RunError
from models.recursive_lm import States
from models.runs.load import load_model
from models.runs.puzzles import load_puzzles, puzzle_kind
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
    kind: PuzzleKind

    @property
    def cells(self) -> int:
        """T of the grids it solves."""
        return self.model.config.context_length

    @property
    def size(self) -> int:
        """n of the n × n grids it solves; the length of strings."""
        return self.kind.side(self.cells)

    @property
    def default_steps(self) -> int:
        """The default limit of supervision steps: twice those of training."""
        return 2 * self.model.config.supervision_steps

    def require_size(self, puzzle: np.ndarray) -> None:
        """Raise UsageError if `puzzle` (T,) has another size."""
        if len(puzzle) != self.cells:
            kind, name = self.kind, self.run.name
            own, other = kind.size_name(self.cells), kind.size_name(len(puzzle))
            if not kind.has_rules:
                raise UsageError(
                    f"Run '{name}' solves strings of {own}, but this one has {len(puzzle)}.",
                    hint=f"Give {own}.",
                )
            raise UsageError(
                f"Run '{name}' solves {own} {kind.plural}, but this one is {other}.",
                hint=f"Train one for it: {{train task={kind.set_name(len(puzzle))}}}",
            )

    def require_solvable(self, puzzle: np.ndarray) -> np.ndarray | None:
        """A solution (T,) of `puzzle`, or None where there are no rules to find it. Raises UsageError for one
        of another size, and for one that is not possible."""
        self.require_size(puzzle)
        return self.kind.solve(puzzle)

    def new_puzzle(self) -> tuple[np.ndarray, np.ndarray]:
        """A random puzzle of this size and its solution, both (T,): a new one, or where none can be made one
        of those held out. Raises CorpusError where these are gone."""
        if self.kind.has_rules:
            return next(self.kind.generate(self.cells, 1, randbelow(2**31)))
        _, held_out = result_of(load_puzzles(self.run, self.config))
        number = randbelow(len(held_out))
        return held_out.puzzles[number], held_out.solutions[number]


@dataclass(frozen=True, slots=True)
class Solution:
    """The model's answer to one puzzle. Grids are (T,) uint8."""

    puzzle: np.ndarray
    answer: np.ndarray
    valid: bool | None
    """Whether the answer solves the puzzle by the rules; without rules, whether it is the known solution, or
    None where none is known."""
    known: np.ndarray | None
    """A solution."""
    steps: int
    """Supervision steps used."""
    confidence: float
    """The model's confidence in the whole answer, 0 to 1."""
    step_answers: tuple[np.ndarray, ...]
    """The answer after each step."""

    def wrong_cells(self, answer: np.ndarray) -> np.ndarray | None:
        """(T,) bool: where an answer (T,) differs from the known solution; None where none is known, or the
        whole answer is valid, as another shortest path is."""
        if self.known is None or (self.valid and np.array_equal(answer, self.answer)):
            return None
        return np.asarray(answer != self.known)

    @property
    def changed_cells(self) -> list[np.ndarray]:
        """(T,) bool for each step: the cells that the step changed, at first those asked."""
        answers = self.step_answers
        return [now != before for before, now in zip((self.puzzle, *answers), answers, strict=False)]


@dataclass(frozen=True, slots=True)
class SolveStep:
    """One supervision step of one puzzle."""

    answer: np.ndarray
    """(T,) uint8, with the cells that are not asked unchanged."""
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
    no_puzzle_model = CheckpointError(
        f"The config.json of run '{run.name}' does not describe a puzzle model.",
        hint="Restore the config.json it was trained with.",
    )
    if not isinstance(model, PuzzleModel) or model.config.task == "text":
        raise no_puzzle_model
    kind = puzzle_kind(config)
    if kind.symbol_count(model.config.context_length) != model.config.vocab_size:
        raise no_puzzle_model
    return Solver(model, run, config, kind)


def solve_puzzles(
    solver: Solver,
    puzzles: Sequence[np.ndarray],
    max_steps: int,
    *,
    sure: float = SURE,
    known: Sequence[np.ndarray | None] = (),
) -> list[Solution]:
    """Answer each of `puzzles` (T,) in at most `max_steps`. It stops early at confidence `sure`. `known` has
    a solution (T,) or None for each, or is empty.

    Raises UsageError for a puzzle of another size.
    """
    for puzzle in puzzles:
        solver.require_size(puzzle)
    device = next(solver.model.parameters()).device
    solutions, kind = list[Solution](), solver.kind
    known = known or [None] * len(puzzles)
    for first in range(0, len(puzzles), BATCH_SIZE):
        grids = np.stack(puzzles[first : first + BATCH_SIZE])
        tokens = torch.from_numpy(grids.astype(np.int64)).to(device)
        prediction = solver.model.predict(tokens, max_steps, sure=sure, keep_trail=True)
        answers = prediction.answers.cpu().numpy().astype(np.uint8)
        step_answers = [step.cpu().numpy().astype(np.uint8) for step in prediction.trail]
        by_rules = kind.is_solution_of(answers, grids)
        for row, puzzle in enumerate(grids):
            solution = known[first + row]
            equal = None if solution is None else bool(np.array_equal(answers[row], solution))
            steps = int(prediction.exit_steps[row])
            solutions.append(
                Solution(
                    puzzle=puzzle,
                    answer=answers[row],
                    valid=bool(by_rules[row]) if kind.has_rules else equal,
                    known=solution,
                    steps=steps,
                    confidence=float(prediction.confidence[row]),
                    step_answers=tuple(answer[row] for answer in step_answers[:steps]),
                )
            )
    return solutions


@torch.no_grad()
def solve_steps(solver: Solver, puzzle: np.ndarray) -> Iterator[SolveStep]:
    """Every supervision step of `puzzle` (T,). It has no end, also where the model is sure.

    Raises UsageError for a puzzle of another size.
    """
    solver.require_size(puzzle)
    device = next(solver.model.parameters()).device
    tokens = torch.from_numpy(puzzle.astype(np.int64)).to(device)[None]  # (1, T)
    states: States | None = None
    while True:
        thought = solver.model.ponder(tokens, states)
        states = thought.states
        answer = solver.model.answers(thought, tokens)[0].cpu().numpy().astype(np.uint8)
        confidence = float(thought.halting.sigmoid())
        yield SolveStep(answer, confidence, confidence >= SURE)
