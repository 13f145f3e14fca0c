"""Problems to token arrays: an endless sequence to learn from, and held-out ones to measure on."""

import random
from collections.abc import Sequence

import numpy as np

from data.character_tokenizer import CharacterTokenizer
from data.loader import IGNORED
from data.problems.problem import NO_LABEL, Problem, ProblemTask
from data.tokenizer import Tokenizer

EPOCH = 100_000
"""Problems that count as one epoch: they are made as they are needed, and never end."""

EASIEST = 2
"""The greatest difficulty of the first problems."""
HARDEST_SHARE = 0.5
"""The share of the problems that have the greatest difficulty so far: their labels teach the easier ones too.
The others have any difficulty up to it."""


def tokenizer_of(task: ProblemTask) -> CharacterTokenizer:
    """One token for each character of the task."""
    return CharacterTokenizer(task.alphabet)


class ProblemSampler:
    """An endless sequence of problems of every difficulty in training, each a function of its number.

    A label is hidden where its question is held out. A problem that has no other target is not among them.
    """

    blocks_per_epoch = EPOCH

    def __init__(
        self,
        task: ProblemTask,
        tokenizer: Tokenizer,
        seed: int,
        *,
        answers_only: bool = False,
        easy_first: bool = True,
    ) -> None:
        """With `answers_only`, only the characters of the answer are targets. With `easy_first`, the first
        problems are easy, and the greatest difficulty grows by one each `task.pace` problems."""
        self.task = task
        self.tokenizer = tokenizer
        self.seed = seed
        self.answers_only = answers_only
        self.easy_first = easy_first
        self.context_length = 1 + max(map(task.longest, range(1, task.most + 1)))

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, 2, T) int64: tokens and targets of the problems number `position` to `position` + B - 1."""
        problems = [self.problem(number) for number in range(position, position + batch_size)]
        rows = encode_problems(problems, self.tokenizer, self.context_length, answers_only=self.answers_only)
        for row, problem in zip(rows, problems, strict=True):
            self._hide_held_out(row[1], problem)
        return rows

    def problem(self, number: int) -> Problem:
        """The problem of that number, from 0 up."""
        draw = random.Random(f"{self.seed}:{number}")
        grown = EASIEST + number // self.task.pace if self.easy_first else self.task.most
        most = min(self.task.most, grown)
        while True:
            problem = self.task.make(draw, most if draw.random() < HARDEST_SHARE else draw.randint(1, most))
            if self._has_target(problem):
                return problem

    def _has_target(self, problem: Problem) -> bool:
        if not self.task.is_held_out(problem.given[:-1]):
            return True
        return not self.answers_only and any(
            label != NO_LABEL and not self.task.is_held_out(problem.given[:place])
            for place, label in enumerate(problem.labels[:-1], start=1)
        )

    def _hide_held_out(self, targets: np.ndarray, problem: Problem) -> None:
        """Leave no target in `targets` (T,) that answers a held-out question."""
        given = len(problem.given)
        for place in np.flatnonzero(targets[1:given] != IGNORED) + 1:
            if self.task.is_held_out(problem.given[:place]):
                targets[place] = IGNORED
        if self.task.is_held_out(problem.given[:-1]):
            targets[given:] = IGNORED


def encode_problems(
    problems: Sequence[Problem],
    tokenizer: Tokenizer,
    length: int,
    *,
    answers_only: bool = False,
) -> np.ndarray:
    """(N, 2, `length`) int64: tokens, and the target after each one; IGNORED where there is none.

    A row is the token for the beginning, what is given, and the answer; its end is filled with pads. The
    targets are the labels, then the answer and the token for the end. With `answers_only`, only the
    answer is a target.
    """
    rows = np.full((len(problems), 2, length), IGNORED, dtype=np.int64)
    rows[:, 0] = tokenizer.pad_id
    for row, problem in zip(rows, problems, strict=True):
        given, answer = len(problem.given), len(problem.answer)
        row[0, 0] = tokenizer.bos_id
        row[0, 1 : 1 + given + answer] = tokenizer.encode(problem.given + problem.answer)
        row[1, given : given + answer] = tokenizer.encode(problem.answer)
        row[1, given + answer] = tokenizer.eos_id
        if not answers_only:
            labels = tokenizer.encode(problem.labels[:-1])
            row[1, 1:given] = np.where([label == NO_LABEL for label in problem.labels[:-1]], IGNORED, labels)
    return rows
