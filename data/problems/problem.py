"""What all kinds of problems have in common: a problem, a task that makes them, and which are held out."""

import hashlib
import random
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from data.errors import UsageError
from data.wording import counted

ANSWER_MARK = "="
"""The last character of what is given: the answer follows it."""
NO_LABEL = " "
HELD_OUT_SHARE = 8
"""One problem in so many is held out."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem and its answer, both as text."""

    given: str
    """All that comes before the answer, the mark included: "cab="."""
    answer: str
    labels: str
    """For each character of `given`, the answer to what stands there so far, or NO_LABEL. The label of the
    mark is the first character of the answer."""
    difficulty: int


class ProblemTask(ABC):
    """Makes problems of one kind, and reads those that a person writes. Difficulty is a number from 1 up."""

    unit: ClassVar[str]
    """What difficulty counts: "factor"."""
    about: ClassVar[str]
    """What is asked, as a part of a sentence."""
    example: ClassVar[str]
    """A problem as a person may type it."""
    hardest: ClassVar[int]
    """The greatest difficulty that can be made."""
    pace: ClassVar[int]
    """Problems in training after which their greatest difficulty grows by one, from 2 up."""
    held_out_from: ClassVar[int] = 1
    """The least difficulty of which some are held out: of easier ones there are too few."""
    shortest_held_out: ClassVar[int] = 1
    """Characters of the shortest question that is held out."""
    version: ClassVar[int] = 2
    """Part of the content hash. It changes when the problems of a name change, or what is held out."""

    def __init__(self, name: str, most: int) -> None:
        """`most` is the greatest difficulty in training. Raises UsageError where it is out of range."""
        self.name = name
        self.most = most
        if not 1 <= most <= self.hardest:
            kind = name.rpartition(":")[0] or name
            raise UsageError(
                f"{counted(most, self.unit)} cannot be trained on: {kind} has 1 to {self.hardest}.",
                hint=f"For example: {{task={kind}:{min(8, self.hardest)}}}",
                field="task",
            )

    @property
    @abstractmethod
    def alphabet(self) -> str:
        """Every character that a problem or an answer can have, in the order of the code points."""

    @abstractmethod
    def make(self, draw: random.Random, difficulty: int) -> Problem:
        """A problem of that difficulty."""

    @abstractmethod
    def read(self, text: str) -> Problem:
        """The problem in `text`, with its answer; the mark at the end may be missing. Raises UsageError for
        a text that is no such problem."""

    @abstractmethod
    def longest(self, difficulty: int) -> int:
        """The most characters of a problem of that difficulty and its answer."""

    @property
    def measured(self) -> tuple[int, ...]:
        """The difficulties that a training measures: up to the greatest one in training, and two harder
        than that, where there are."""
        trained = {*range(1, self.most + 1)}
        if self.most > 6:
            trained = {*(2**power for power in range(self.most.bit_length())), self.most}
        harder = {min(self.hardest, self.most + -(-self.most // 2)), min(self.hardest, 2 * self.most)}
        return tuple(sorted(trained | harder))

    @property
    def content_hash(self) -> str:
        """The same for the same problems: a run that goes on knows by it that they are."""
        return hashlib.sha256(f"{self.version}:{self.name}:{self.most}".encode()).hexdigest()

    @property
    def context_length(self) -> int:
        """Tokens of the longest problem that is measured: a token for the beginning, what is given, and the
        answer."""
        return 1 + max(map(self.longest, self.measured))

    def question(self, given: str) -> str:
        """What the label after `given`, the beginning of a problem or all of it without the mark, asks for:
        the same text wherever the same is asked."""
        return given

    def is_held_out(self, given: str) -> bool:
        """Whether no training may see the label after `given`, the beginning of a problem or all of it
        without the mark.

        The question alone decides, so that the two parts never overlap, whatever the seed and the problem.
        """
        question = self.question(given)
        return len(question) >= self.shortest_held_out and zlib.crc32(question.encode()) % HELD_OUT_SHARE == 0

    def unreadable(self, text: str, reason: str) -> UsageError:
        """The error about a text that is no problem of this kind."""
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        return UsageError(
            f"'{shown}' is no problem of {self.name}: {reason}.", hint=f"For example: {self.example}"
        )


def held_out_problems(task: ProblemTask, difficulty: int, count: int, seed: int = 0) -> list[Problem]:
    """`count` problems of that difficulty that are held out; where there are too few to hold some out, any.

    The same for the same arguments, on every machine.
    """
    draw = random.Random(f"{task.name}:{difficulty}:{seed}")
    found: list[Problem] = []
    while len(found) < count:
        problem = task.make(draw, difficulty)
        if difficulty < task.held_out_from or task.is_held_out(problem.given.removesuffix(ANSWER_MARK)):
            found.append(problem)
    return found


def characters_of(parts: Iterable[str]) -> str:
    """The distinct characters of `parts`, in the order of the code points."""
    return "".join(sorted({character for part in parts for character in part}))
