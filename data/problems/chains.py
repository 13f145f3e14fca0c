"""chains: variables that are defined by others. "a=3 b=a q=7 c=b ?c=" asks for the value of c: three hops."""

import random
import re
import string
from typing import ClassVar

from data.problems.problem import ANSWER_MARK, NO_LABEL, Problem, ProblemTask, characters_of

_PROBLEM = re.compile(r"((?:[a-z]=[a-z0-9] )+)\?([a-z])=?")
_DEFINITION = re.compile(r"([a-z])=([a-z0-9])")
CHAINS = 3
"""Chains of a problem, all of the same length and with different numbers: without following one, a guess is
right one time in three."""


class Chains(ProblemTask):
    """The value of a variable. The difficulty is the number of definitions from it down to its number."""

    unit: ClassVar[str] = "hop"
    about: ClassVar[str] = "the value of a variable"
    example: ClassVar[str] = '"a=3 b=a q=7 c=b ?c"'
    hardest: ClassVar[int] = len(string.ascii_lowercase) // CHAINS
    pace: ClassVar[int] = 5000
    version: ClassVar[int] = 4

    @property
    def alphabet(self) -> str:
        return characters_of((string.ascii_lowercase, string.digits, "= ?"))

    def make(self, draw: random.Random, difficulty: int) -> Problem:
        names = iter(draw.sample(string.ascii_lowercase, CHAINS * difficulty))
        ends = draw.sample(string.digits, CHAINS)
        order = [chain for chain in range(CHAINS) for _ in range(difficulty)]
        draw.shuffle(order)
        parts = []
        for chain in order:
            name = next(names)
            parts.append(f"{name}={ends[chain]} ")
            ends[chain] = name
        return self.read("".join((*parts, "?", draw.choice(ends))))

    def read(self, text: str) -> Problem:
        found = _PROBLEM.fullmatch(text)
        if found is None:
            raise self.unreadable(text, "it does not have that form")
        definitions, asked = found[1], found[2]
        values, hops, labels = dict[str, str](), dict[str, int](), list[str]()
        for name, _, value, _ in zip(*[iter(definitions)] * 4, strict=True):
            if value not in string.digits and value not in values:
                raise self.unreadable(text, f"{value} is used before it has a value")
            if name in values:
                raise self.unreadable(text, f"{name} is defined twice")
            hops[name] = hops.get(value, 0) + 1
            values[name] = values.get(value, value)
            labels += [NO_LABEL, NO_LABEL, values[name], NO_LABEL]
        if asked not in values:
            raise self.unreadable(text, f"{asked} has no value")
        answer = values[asked]
        given = f"{definitions}?{asked}{ANSWER_MARK}"
        return Problem(given, answer, "".join((*labels, NO_LABEL, answer, answer)), hops[asked])

    def question(self, given: str) -> str:
        """The definitions that lead to the variable, from its number on: "a=3 b=a c=b"."""
        definitions = dict(_DEFINITION.findall(given))
        name, chain = given[-1] if "?" in given else given[-3], list[str]()
        while name in definitions:
            chain.append(f"{name}={definitions[name]}")
            name = definitions[name]
        return " ".join(reversed(chain))

    def longest(self, difficulty: int) -> int:
        return 4 * CHAINS * difficulty + 4
