"""The tokens of an answer, what their colours tell, and a cursor over them. Needs no torch and no textual."""

import bisect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from data.wording import percent

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken

Coloring = Literal["plain", "probability", "passes"]
COLORINGS: tuple[Coloring, ...] = ("plain", "probability", "passes")
_LEAST = (0.9, 0.5, 0.2, 0.05, 0.01)
"""The least probability of each level but the last."""
LEVELS = 6
LABELS = {
    "probability": ("90+", "50+", "20+", "5+", "1+", "<1"),
    "passes": ("1", "2", "3", "4", "5", "6+"),
}
"""What a legend calls the levels: percents, and numbers of passes."""


class Piece(NamedTuple):
    """Characters `start` to `end` of an answer, and of the tokens they came with: the product of the
    probabilities and the mean of the passes."""

    start: int
    end: int
    probability: float
    passes: float

    def level(self, coloring: Coloring) -> int:
        """From 0, likely or one pass, to LEVELS - 1."""
        if coloring == "passes":
            return min(LEVELS, max(1, round(self.passes))) - 1
        return sum(self.probability < least for least in _LEAST)


class AnswerTokens:
    """The tokens of one answer, in their order. It grows while the answer is written.

    A token may come without text, because its bytes are not a whole character yet. The text that follows
    belongs to it too.
    """

    def __init__(self, token_text: Callable[[int], str]) -> None:
        self.token_text = token_text
        """The text of a token alone, by its id."""
        self.pieces: list[Piece] = []
        self._items: list[GeneratedToken] = []
        self._ends: list[int] = []
        """The characters that are known after each token."""
        self._began = 0
        """The first token of the piece that has no text yet."""

    def add(self, token: "GeneratedToken") -> None:
        start = self._ends[-1] if self._ends else 0
        self._items.append(token)
        self._ends.append(start + len(token.text))
        if token.text:
            items, self._began = self._items[self._began :], len(self._items)
            probability = 1.0
            for item in items:
                probability *= item.probability
            passes = sum(item.passes for item in items) / len(items)
            self.pieces.append(Piece(start, self._ends[-1], probability, passes))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> "GeneratedToken":
        return self._items[index]

    def span(self, index: int) -> tuple[int, int]:
        """The characters that token `index` is in. They are empty at the end of an answer."""
        end = self._ends[index]
        start = self._ends[index - 1] if index else 0
        if start == end:
            place = bisect.bisect_right(self._ends, end)
            end = self._ends[place] if place < len(self._ends) else end
        return start, end

    def at(self, character: int) -> int | None:
        """The token of a character, or None where the answer has none."""
        place = bisect.bisect_right(self._ends, character)
        return place if place < len(self._ends) else None

    def colored(self, coloring: Coloring) -> list[tuple[int, int, int]]:
        """The answer as (start, end, level), with neighbours of the same level together."""
        found: list[tuple[int, int, int]] = []
        for piece in list(self.pieces) if coloring != "plain" else []:
            level = piece.level(coloring)
            if found and found[-1][2] == level:
                found[-1] = (found[-1][0], piece.end, level)
            else:
                found.append((piece.start, piece.end, level))
        return found

    def summary(self, coloring: Coloring) -> str:
        """One figure of the whole answer, for the legend."""
        items = self._items[: len(self)]
        if not items or coloring == "plain":
            return ""
        if coloring == "probability":
            return f"mean {percent(sum(item.probability for item in items) / len(items))}"
        passes = [item.passes for item in items]
        low, high = min(passes), max(passes)
        if low == high:
            return f"every token took {low:g}"
        return f"{low:g} to {high:g}, mean {sum(passes) / len(passes):.3g}"


class TokenCursor:
    """A place in one of several answers, which have tokens. Begins at the first token of the last one."""

    def __init__(self, answers: Sequence[AnswerTokens]) -> None:
        self.answers = list(answers)
        self.answer = len(self.answers) - 1
        self.token = 0

    @property
    def tokens(self) -> AnswerTokens:
        return self.answers[self.answer]

    def put(self, tokens: AnswerTokens, index: int) -> None:
        """Move to a token of one of the answers."""
        self.answer, self.token = self.answers.index(tokens), index

    def move(self, by: int) -> None:
        """Move by tokens, and stay inside the answer."""
        self.token = min(len(self.tokens) - 1, max(0, self.token + by))

    def move_answer(self, by: int) -> None:
        """Move by answers, to the first token of one."""
        wanted = min(len(self.answers) - 1, max(0, self.answer + by))
        if wanted != self.answer:
            self.answer, self.token = wanted, 0
