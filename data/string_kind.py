"""Pairs of strings as a kind of puzzle: the answer to a string is another one of the same length.

There are no rules: what is to be learned is in the rows of a file. A symbol of a grid is the number of a
character in `symbols`.
"""

from collections.abc import Iterator
from typing import Self

import numpy as np

from data.errors import CorpusError, UsageError
from data.permutation import splitmix64
from data.puzzle_kind import GridLayout, Mark, PuzzleKind
from data.puzzle_words import PLURALS
from data.wording import counted

MOST_CELLS = 900
MOST_SYMBOLS = 255
_COLUMNS = 64
"""Symbols of a string in a line of a drawing."""
_SHOWN = 8
"""Symbols that a message names."""


class StringKind(PuzzleKind):
    """Strings of one length. All their cells are asked."""

    task = "grid"
    noun = "string"
    plural = PLURALS[task]
    filled = "changed"
    word = "input"
    cell_word = "symbol"
    columns = ("input", "target")
    row_format = "Each row is input,target: two strings of the same length, which all rows have."
    raw_dtype = np.uint32
    placeholder = "a string"
    has_rules = False
    has_symmetries = False
    symbols: str

    def __init__(self, symbols: str = "") -> None:
        """`symbols` are the characters that a grid may have; empty while a file is read."""
        self.symbols = self.letters = symbols
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}

    @classmethod
    def layout_of(cls, symbols: int, cells: int) -> GridLayout:
        if not (1 <= cells <= MOST_CELLS and 1 <= symbols <= MOST_SYMBOLS):
            raise ValueError(f"no string has {cells} cells and {symbols} symbols")
        every, places = np.ones(symbols, dtype=bool), np.arange(cells)
        no_views, no_neighbours = np.zeros((0, cells, cells), dtype=bool), np.zeros((0, cells), dtype=int)
        return GridLayout(every, every, places[None], no_views, no_neighbours, (1, cells))

    def symbol_count(self, cells: int) -> int:
        return len(self.symbols)

    def side(self, cells: int) -> int:
        return cells

    def size_name(self, cells: int) -> str:
        return counted(cells, "symbol")

    def parse(self, text: str, what: str | None = None) -> np.ndarray:
        symbols = text.strip()
        unknown = sorted(set(symbols) - set(self.symbols))
        if unknown:
            raise UsageError(
                f"The {what or self.word} has {unknown[0]!a} in it, which is in no string that was learned.",
                hint=f"Its symbols are {self.symbols}",
            )
        if not symbols:
            raise UsageError(f"The {what or self.word} is empty.", hint="Give a string.")
        return np.array([self._numbers[symbol] for symbol in symbols], dtype=np.uint8)

    def parse_all(self, text: str) -> list[np.ndarray]:
        found = [self.parse(line) for line in text.splitlines() if line.strip()]
        if not found:
            raise UsageError("There is no string.", hint="Give one on each line.")
        return found

    def is_row(self, line: str) -> bool:
        return bool(line) and set(line) <= set(self.symbols)

    def line(self, grid: np.ndarray) -> str:
        return "".join(self.symbols[number] for number in grid.tolist())

    def counts(self, puzzle: np.ndarray) -> list[tuple[str, int]]:
        return [("symbols", len(puzzle)), ("different", len(np.unique(puzzle)))]

    def cell_text(self, symbol: int) -> str:
        return self.symbols[symbol]

    def draw(
        self,
        grid: np.ndarray,
        puzzle: np.ndarray,
        changed: np.ndarray | None = None,
        wrong: np.ndarray | None = None,
    ) -> Iterator[tuple[str, Mark]]:
        nothing = np.zeros(len(grid), dtype=bool)
        changed, wrong = nothing if changed is None else changed, nothing if wrong is None else wrong
        for start in range(0, len(grid), _COLUMNS):
            cells = range(start, min(start + _COLUMNS, len(grid)))
            if start:
                yield "\n", "frame"
            for cell in cells:
                mark: Mark = "changed" if changed[cell] else "wrong" if wrong[cell] else "filled"
                yield self.symbols[grid[cell]], mark
            below = "".join("*" if changed[cell] else "×" if wrong[cell] else " " for cell in cells).rstrip()
            if below:
                yield f"\n{below}", "frame"

    def read_row(self, puzzle: str, solution: str) -> tuple[np.ndarray, np.ndarray]:
        if not (puzzle and solution):
            raise UsageError(f"The row has no {'target' if puzzle else 'input'}.")
        if len(puzzle) != len(solution):
            raise UsageError(
                f"The input has {counted(len(puzzle), 'symbol')}, and the target has {len(solution)}."
            )
        if len(puzzle) > MOST_CELLS:
            raise UsageError(f"The input has {len(puzzle):,} symbols, and {MOST_CELLS} are the most.")
        if strange := next((symbol for symbol in puzzle + solution if not symbol.isprintable()), None):
            raise UsageError(f"The row has {strange!a} in it.")
        grids = [np.array([ord(symbol) for symbol in text], dtype=np.uint32) for text in (puzzle, solution)]
        return grids[0], grids[1]

    def settle(self, puzzles: np.ndarray, solutions: np.ndarray) -> tuple[Self, np.ndarray, np.ndarray]:
        codes, numbers = np.unique(np.stack((puzzles, solutions)), return_inverse=True)
        if len(codes) > MOST_SYMBOLS:
            raise CorpusError(
                f"The strings have {len(codes):,} different symbols, and {MOST_SYMBOLS} are the most.",
                hint="Write them with fewer symbols.",
            )
        grids = numbers.astype(np.uint8).reshape(2, *puzzles.shape)
        return type(self)("".join(map(chr, codes.tolist()))), grids[0], grids[1]

    def of_training(
        self, learned: np.ndarray, held_out: np.ndarray
    ) -> tuple[Self, np.ndarray, np.ndarray, list[str]]:
        """The symbols are those of the strings to learn from. Held-out rows with others are left out."""
        known = np.isin(np.arange(len(self.symbols)), learned)
        usable = known[held_out].all(axis=(0, 2))
        numbers = (np.cumsum(known) - 1).astype(np.uint8)
        if known.sum() < 2:
            raise CorpusError("All strings have the same symbol only.", hint="Give strings that differ.")
        kind = type(self)("".join(symbol for symbol, kept in zip(self.symbols, known, strict=True) if kept))
        notes = []
        if not usable.all():
            lost = "".join(np.array(list(self.symbols))[~known])
            shown = lost if len(lost) <= _SHOWN else f"{lost[:_SHOWN]}…"
            notes.append(
                f"Left out of the held-out part, since the part to learn from never has {shown!a}: "
                f"{counted(int((~usable).sum()), 'string')}."
            )
            if not usable.any():
                raise CorpusError(
                    f"No string can be held out: each has a symbol that no other string has, as {shown!a}.",
                    hint="Give more rows.",
                )
        return kind, numbers[learned], numbers[held_out[:, usable]], notes

    def solve(self, puzzle: np.ndarray) -> None:
        return None

    def is_solution_of(self, answers: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
        return np.zeros(answers.shape[:-1], dtype=bool)

    def keys(self, puzzles: np.ndarray) -> np.ndarray:
        """All strings are different."""
        places = np.arange(puzzles.shape[-1], dtype=np.uint64) << np.uint64(8)
        sums = splitmix64(splitmix64(places + np.uint64(1)) + puzzles)
        return np.asarray(sums.sum(axis=1, dtype=np.uint64))
