"""sums: two numbers and their sum, without working. "478+256=" asks for 734, its first digit first."""

import random
import re
import string
from typing import ClassVar

from data.problems.problem import ANSWER_MARK, NO_LABEL, Problem, ProblemTask, characters_of

_PROBLEM = re.compile(r"([0-9]+)\+([0-9]+)=?")


class Sums(ProblemTask):
    """The sum of two numbers. The difficulty is the number of digits of the longer one."""

    unit: ClassVar[str] = "digit"
    about: ClassVar[str] = "the sum of two numbers"
    example: ClassVar[str] = "478+256"
    hardest: ClassVar[int] = 32
    pace: ClassVar[int] = 10000
    held_out_from: ClassVar[int] = 2
    shortest_held_out: ClassVar[int] = 5

    @property
    def alphabet(self) -> str:
        return characters_of((string.digits, "+", ANSWER_MARK))

    def make(self, draw: random.Random, difficulty: int) -> Problem:
        least = 10 ** (difficulty - 1) if difficulty > 1 else 0
        first, second = (draw.randrange(least, 10**difficulty) for _ in range(2))
        return self.read(f"{first}+{second}")

    def read(self, text: str) -> Problem:
        found = _PROBLEM.fullmatch(text)
        if found is None:
            raise self.unreadable(text, "it does not have that form")
        first, second = found[1], found[2]
        difficulty = max(len(first), len(second))
        if difficulty > self.hardest:
            raise self.unreadable(text, f"a number has more than {self.hardest} digits")
        given, answer = f"{first}+{second}{ANSWER_MARK}", str(int(first) + int(second))
        return Problem(given, answer, NO_LABEL * (len(given) - 1) + answer[0], difficulty)

    def question(self, given: str) -> str:
        """The two numbers in one order: 12+34 and 34+12 have the same sum."""
        return "+".join(sorted(given.split("+")))

    def longest(self, difficulty: int) -> int:
        return 3 * difficulty + 3
