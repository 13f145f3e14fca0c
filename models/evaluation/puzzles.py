"""How many puzzles a model solves that it was not trained on, and how many steps it takes."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.puzzles import PuzzleSet
from models.architectures.puzzle_model import SURE, Prediction, PuzzleModel
from models.device import autocast
from models.evaluation.loss import evaluation_mode
from models.processes.spread import ONE_PROCESS, Spread
from models.runs.events import EvaluationAdvanced, Event

BATCH_CELLS = 8192


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares from 0 to 1. An answer is exact where the whole grid is right; cells are those asked."""

    exact_accuracy: float
    cell_accuracy: float
    mean_exit_step: float
    loss: float
    """Cross-entropy of the answers in nats per cell that is asked."""
    exit_steps: tuple[int, ...]
    """Of each puzzle."""


def score(
    model: PuzzleModel,
    puzzles: PuzzleSet,
    max_steps: int,
    number_format: str,
    *,
    step: int = 0,
    sure: float = SURE,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, Scores]:
    """Answer all of `puzzles`, each in up to `max_steps` steps; the scores are the generator's return value.

    Yields its progress between batches, as an evaluation at `step`.
    """
    exact, cells, count, nats, exits = 0, 0, 0, 0.0, list[int]()
    work = partial(_score_batch, max_steps=max_steps, number_format=number_format, sure=sure)
    for found in spread.map(work, model, _batches(puzzles)):
        exact += found.exact
        cells += found.cells
        count += found.asked
        nats += found.nats
        exits += found.exit_steps
        yield EvaluationAdvanced(step=step, done=len(exits), total=len(puzzles))
    return Scores(exact / len(puzzles), cells / count, sum(exits) / len(puzzles), nats / count, tuple(exits))


def exact_by_steps(
    model: PuzzleModel,
    puzzles: PuzzleSet,
    steps: Sequence[int],
    number_format: str,
    *,
    step: int = 0,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, dict[int, float]]:
    """The share of exact answers after each number of `steps`, with no puzzle leaving early.

    Yields as `score` does.
    """
    exact, done = dict.fromkeys(steps, 0), 0
    work = partial(_exact_by_steps_of_batch, steps=tuple(steps), number_format=number_format)
    for found, rows in spread.map(work, model, _batches(puzzles)):
        for number, right in found.items():
            exact[number] += right
        done += rows
        yield EvaluationAdvanced(step=step, done=done, total=len(puzzles))
    return {number: count / len(puzzles) for number, count in exact.items()}


def answer(
    model: PuzzleModel,
    grids: Tensor,
    max_steps: int,
    number_format: str,
    *,
    sure: float = SURE,
    keep_trail: bool = False,
) -> Prediction:
    """`model.predict` in a number format, without dropout."""
    with evaluation_mode(model), autocast(grids.device, number_format):
        return model.predict(grids, max_steps, sure=sure, keep_trail=keep_trail)


def first_of(puzzles: PuzzleSet, count: int) -> PuzzleSet:
    """The first `count` of `puzzles`, whose order is random."""
    return part_of(puzzles, 0, count)


def part_of(puzzles: PuzzleSet, start: int, count: int) -> PuzzleSet:
    """The `count` of `puzzles` from number `start` on, or as many as there are."""
    return puzzles.rows(slice(start, start + count))


def without_first(puzzles: PuzzleSet, count: int) -> PuzzleSet:
    """`puzzles` without the first `count`; all of them where fewer than `count` would be left."""
    return puzzles if len(puzzles) < 2 * count else puzzles.rows(slice(count, None))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: from -1 to 1, ties sharing their mean rank; NaN where one of them never changes."""
    a, b = (_ranks(np.asarray(values)) for values in (first, second))
    spread = math.sqrt(float(((a - a.mean()) ** 2).sum() * ((b - b.mean()) ** 2).sum()))
    return float(((a - a.mean()) * (b - b.mean())).sum()) / spread if spread else math.nan


def _ranks(values: np.ndarray) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((2 * ends - counts - 1) / 2)[where]


@dataclass(frozen=True, slots=True)
class _BatchScores:
    exact: int
    cells: int
    asked: int
    nats: float
    exit_steps: list[int]


def _score_batch(
    model: PuzzleModel, batch: tuple[np.ndarray, np.ndarray], max_steps: int, number_format: str, sure: float
) -> _BatchScores:
    grids, solutions = _on_device_of(model, batch)
    found = answer(model, grids, max_steps, number_format, sure=sure)
    right, asked = found.answers == solutions, model.asked(grids)
    losses = F.cross_entropy(found.logits.mT, solutions, reduction="none")  # (B, T)
    return _BatchScores(
        exact=int(right.all(dim=1).sum()),
        cells=int((right & asked).sum()),
        asked=int(asked.sum()),
        nats=float((losses * asked).sum()),
        exit_steps=found.exit_steps.tolist(),
    )


@torch.no_grad()
def _exact_by_steps_of_batch(
    model: PuzzleModel, batch: tuple[np.ndarray, np.ndarray], steps: Sequence[int], number_format: str
) -> tuple[dict[int, int], int]:
    """Exact answers after each number of `steps`, and the puzzles."""
    grids, solutions = _on_device_of(model, batch)
    exact, states = dict[int, int](), None
    for number in range(1, max(steps) + 1):
        with evaluation_mode(model), autocast(grids.device, number_format):
            thought = model.ponder(grids, states)
        states = thought.states
        if number in steps:
            exact[number] = int((model.answers(thought, grids) == solutions).all(dim=1).sum())
    return exact, len(grids)


def _batches(puzzles: PuzzleSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Puzzles and solutions (B, T), a few at a time."""
    rows = max(1, BATCH_CELLS // puzzles.cells)
    for first in range(0, len(puzzles), rows):
        yield puzzles.puzzles[first : first + rows], puzzles.solutions[first : first + rows]


def _on_device_of(model: PuzzleModel, batch: tuple[np.ndarray, np.ndarray]) -> tuple[Tensor, Tensor]:
    """Puzzles and solutions (B, T) int64, where the model is."""
    device = next(model.parameters()).device
    grids, solutions = (torch.from_numpy(part.astype(np.int64)).to(device) for part in batch)
    return grids, solutions
