"""compose: running products of permutations.

Each permutation of n letters is one character, a the identity, in lexicographic order. "cab=" asks for the
product of c, a and b: first c is applied, then a, then b. A product of k factors needs about log k steps that
depend on each other. (Word problem of the symmetric groups: Barrington 1989.)
"""

import itertools
import random
from typing import ClassVar

from data.problems.problem import ANSWER_MARK, Problem, ProblemTask, characters_of

ELEMENTS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüý"
)
"""A character for each permutation of five letters, and the first ones for those of fewer."""
SIZES = (3, 4, 5)


class Compose(ProblemTask):
    """Products in the symmetric group of n letters."""

    unit: ClassVar[str] = "factor"
    about: ClassVar[str] = "the product of permutations"
    example: ClassVar[str] = "cab"
    hardest: ClassVar[int] = 64
    pace: ClassVar[int] = 3000
    held_out_from: ClassVar[int] = 3
    shortest_held_out: ClassVar[int] = 3
    version: ClassVar[int] = 1

    def __init__(self, name: str, n: int, most: int) -> None:
        """`n` is one of SIZES."""
        super().__init__(name, most)
        permutations = list(itertools.permutations(range(n)))
        number = {permutation: place for place, permutation in enumerate(permutations)}
        self.elements = ELEMENTS[: len(permutations)]
        self.permutations = dict(zip(self.elements, permutations, strict=True))
        self._products = [
            [number[tuple(after[place] for place in first)] for after in permutations]
            for first in permutations
        ]
        self._number = {element: place for place, element in enumerate(self.elements)}

    @property
    def alphabet(self) -> str:
        return characters_of((self.elements, ANSWER_MARK))

    def make(self, draw: random.Random, difficulty: int) -> Problem:
        return self.read("".join(draw.choices(self.elements, k=difficulty)))

    def read(self, text: str) -> Problem:
        factors = text.removesuffix(ANSWER_MARK)
        labels, product = [], 0
        for factor in factors:
            if factor not in self._number:
                raise self.unreadable(text, f"the factors are {self.elements[0]} to {self.elements[-1]}")
            product = self._products[product][self._number[factor]]
            labels.append(self.elements[product])
        if not labels:
            raise self.unreadable(text, "it has no factor")
        return Problem(factors + ANSWER_MARK, labels[-1], "".join((*labels, labels[-1])), len(factors))

    def longest(self, difficulty: int) -> int:
        return difficulty + 2
