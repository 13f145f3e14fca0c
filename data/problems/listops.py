"""listops: nested operations on digits. "max(2,min(4,7),0)=" asks for 4.

The operations are max, min, and sum, which keeps the last digit. (After ListOps: Nangia and Bowman 2018,
arXiv 1804.06028.)
"""

import random
import re
import string
from collections.abc import Callable
from typing import ClassVar

from data.problems.problem import ANSWER_MARK, NO_LABEL, Problem, ProblemTask, characters_of

_OPERATIONS: dict[str, Callable[[list[int]], int]] = {
    "max": max,
    "min": min,
    "sum": lambda values: sum(values) % 10,
}
_PARTS = re.compile(r"(?:max|min|sum)\(|[0-9]|[,)]")
_FLAT_SHARE = 0.25
"""The probability that an argument beside the deepest one is an operation on two digits."""


class ListOps(ProblemTask):
    """The value of an expression. The difficulty is the number of operations within each other."""

    unit: ClassVar[str] = "level"
    about: ClassVar[str] = "the value of nested operations"
    example: ClassVar[str] = '"max(2,min(4,7),0)"'
    hardest: ClassVar[int] = 12
    pace: ClassVar[int] = 10000

    @property
    def alphabet(self) -> str:
        return characters_of((*_OPERATIONS, string.digits, "(),", ANSWER_MARK))

    def make(self, draw: random.Random, difficulty: int) -> Problem:
        return self.read(_expression(draw, difficulty))

    def read(self, text: str) -> Problem:
        expression = text.removesuffix(ANSWER_MARK)
        labels, end, depth = list[str](), 0, 0
        values: list[list[int]] = [[]]
        operations: list[str] = []
        wants_value = True
        while end < len(expression):
            found = _PARTS.match(expression, end)
            part = found[0] if found is not None else ""
            is_value = part != "" and part not in ",)"
            if not part or is_value != wants_value or (not operations and (part in ",)" or values[0])):
                raise self.unreadable(text, "it does not have that form")
            end += len(part)
            label = NO_LABEL
            if part.endswith("("):
                operations.append(part[:-1])
                values.append([])
                depth = max(depth, len(operations))
            elif part == ")":
                value = _OPERATIONS[operations.pop()](values.pop())
                values[-1].append(value)
                label = str(value)
            elif part != ",":
                values[-1].append(int(part))
            wants_value = part.endswith("(") or part == ","
            labels += [*NO_LABEL * (len(part) - 1), label]
        if operations or not depth or wants_value:
            raise self.unreadable(text, "a bracket is open" if operations else "it does not have that form")
        if depth > self.hardest:
            raise self.unreadable(text, f"more than {self.hardest} operations are within each other")
        answer = str(values[0][0])
        return Problem(expression + ANSWER_MARK, answer, "".join((*labels, answer)), depth)

    def question(self, given: str) -> str:
        """The operation that ends with `given`, whatever it stands in."""
        depth, start = 0, len(given)
        while start > 0:
            start -= 1
            depth += (given[start] == ")") - (given[start] == "(")
            if depth == 0:
                break
        return given[start - len("max") :]

    def longest(self, difficulty: int) -> int:
        flat = len("max(1,2),")
        return difficulty * (len("max(") + 2 * flat + 1) + 2 + 2


def _expression(draw: random.Random, depth: int) -> str:
    """An operation on two or three arguments, one of which goes `depth` - 1 deep."""
    count = draw.randint(2, 3)
    deepest = draw.randrange(count)
    arguments = []
    for place in range(count):
        if depth > 1 and place == deepest:
            arguments.append(_expression(draw, depth - 1))
        elif depth > 1 and draw.random() < _FLAT_SHARE:
            arguments.append(f"{_operation(draw)}({draw.randrange(10)},{draw.randrange(10)})")
        else:
            arguments.append(str(draw.randrange(10)))
    return f"{_operation(draw)}({','.join(arguments)})"


def _operation(draw: random.Random) -> str:
    return draw.choice(list(_OPERATIONS))
