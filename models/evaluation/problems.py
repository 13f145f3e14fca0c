"""How many problems a model answers that it was not trained on, by their difficulty."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from data.loader import IGNORED
from data.problems.problem import Problem, ProblemTask, held_out_problems
from data.problems.sampler import encode_problems
from data.tokenizer import Tokenizer
from models.depth import Depth
from models.device import autocast, to_device
from models.evaluation.loss import evaluation_mode
from models.processes.spread import ONE_PROCESS, Spread
from models.recursive_lm import RecursiveLM
from models.runs.events import EvaluationAdvanced, Event

BATCH_TOKENS = 8192
ProblemSets = Mapping[int, Sequence[Problem]]
"""Problems by their difficulty."""


@dataclass(frozen=True, slots=True)
class ProblemScores:
    """What a model makes of problems at one depth."""

    accuracy: Mapping[int, float]
    """The share of whole answers that are right, 0 to 1, by difficulty."""
    spent: Mapping[int, Sequence[float]]
    """Recursions per token of each problem, by difficulty."""
    loss: float
    """Nats per character of the answers, over the difficulties in training."""
    read: int
    """Problems that were answered."""

    @property
    def passes(self) -> dict[int, float]:
        """Recursions per token, on average, by difficulty."""
        return {difficulty: sum(each) / len(each) for difficulty, each in self.spent.items()}


def problem_sets(task: ProblemTask, each: int, seed: int = 0) -> dict[int, list[Problem]]:
    """`each` held-out problems of every difficulty that is measured."""
    return {difficulty: held_out_problems(task, difficulty, each, seed) for difficulty in task.measured}


def score_problems(
    model: RecursiveLM,
    tokenizer: Tokenizer,
    problems: ProblemSets,
    most: int,
    depth: Depth,
    number_format: str,
    *,
    step: int = 0,
    spread: Spread = ONE_PROCESS,
) -> Generator[Event, None, ProblemScores]:
    """Answer `problems` at `depth`; the scores are the generator's return value.

    An answer is right where each of its characters, and the end after them, is the likeliest token at its
    place: what a model writes at temperature 0. `most` is the greatest difficulty in training. Yields its
    progress between batches, as an evaluation at `step`.
    """
    total, done = sum(map(len, problems.values())), 0
    accuracy, spent, nats, characters = dict[int, float](), dict[int, list[float]](), 0.0, 0
    work = partial(_answers_of_batch, depth=depth, number_format=number_format, pad_id=tokenizer.pad_id)
    for difficulty, posed in problems.items():
        right = 0
        spent[difficulty] = []
        for found in spread.map(work, model, _batches(posed, tokenizer)):
            right += found.right
            spent[difficulty] += found.passes
            if difficulty <= most:
                nats += found.nats
                characters += found.characters
            done += len(found.passes)
            yield EvaluationAdvanced(step=step, done=done, total=total)
        accuracy[difficulty] = right / len(posed)
    return ProblemScores(accuracy, spent, nats / characters if characters else math.nan, done)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Whole answers that are right, recursions per token of each problem, and the loss of the answers."""

    right: int
    passes: list[float]
    nats: float
    characters: int


def _batches(posed: Sequence[Problem], tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """`posed` as inputs and targets (B, 2, T), a few at a time."""
    length = 1 + max(len(one.given) + len(one.answer) for one in posed)
    rows = max(1, BATCH_TOKENS // length)
    for first in range(0, len(posed), rows):
        yield encode_problems(posed[first : first + rows], tokenizer, length, answers_only=True)


def _answers_of_batch(
    model: RecursiveLM, batch: np.ndarray, depth: Depth, number_format: str, pad_id: int
) -> _Answers:
    device = next(model.parameters()).device
    tokens = to_device(torch.from_numpy(batch[:, 0]), device)  # (B, T)
    targets = to_device(torch.from_numpy(batch[:, 1]), device)  # (B, T)
    with evaluation_mode(model), torch.inference_mode(), autocast(device, number_format):
        output = model(tokens, depth)
    is_asked, is_read = targets != IGNORED, tokens != pad_id
    found = output.logits.argmax(-1)
    nats = F.cross_entropy(
        output.logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    passes = (output.passes * is_read).sum(dim=1) / is_read.sum(dim=1)  # (B,)
    return _Answers(
        right=int(((found == targets) | ~is_asked).all(dim=1).sum()),
        passes=passes.tolist(),
        nats=float(nats),
        characters=int(is_asked.sum()),
    )
