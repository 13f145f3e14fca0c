"""The form of a CSV of puzzles: its lines, its header, and its columns."""

import csv
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.errors import CorpusError, UsageError
from data.puzzle_kind import PuzzleKind

PUZZLE_COLUMNS = ("puzzle", "puzzles", "quiz", "quizzes", "question", "input", "maze")
SOLUTION_COLUMNS = ("solution", "solutions", "answer", "target", "output")

_DELIMITERS = ",;\t"
_MAX_LINE_CHARACTERS = 2**16


@dataclass(frozen=True, slots=True)
class Columns:
    """The delimiter of a table, and the numbers of its columns."""

    delimiter: str
    puzzle: int
    solution: int | None
    kind: PuzzleKind

    @classmethod
    def of(cls, line: str, label: str, kind: PuzzleKind) -> tuple["Columns", bool]:
        """The columns of a table by its first line, and whether that line is a header.

        A header has a column with one of the names in PUZZLE_COLUMNS; without a header the first column is
        the puzzle and the second its solution. Columns are separated by commas, semicolons or tabs. Raises
        CorpusError for a header without a puzzle, where no puzzle of the `kind` is a word, and UsageError for
        a line that is not CSV.
        """
        delimiter = next((mark for mark in _DELIMITERS if mark in line), ",")
        names = [cell.lower() for cell in _cells(line, delimiter, kind)]
        puzzle = next((names.index(name) for name in PUZZLE_COLUMNS if name in names), None)
        if puzzle is not None:
            solution = next((names.index(name) for name in SOLUTION_COLUMNS if name in names), None)
            return cls(delimiter, puzzle, solution, kind), True
        if names[0].isidentifier() and kind.has_rules:
            raise CorpusError(f"'{label}' has no column named 'puzzle'.", hint=kind.row_format)
        return cls(delimiter, 0, 1, kind), False

    def read(self, line: str) -> tuple[str, str]:
        """Puzzle and solution of a row as they are written, "" for a missing cell. Raises UsageError for a
        line that is not CSV."""
        cells = _cells(line, self.delimiter, self.kind)
        puzzle, solution = (
            cells[at] if at is not None and at < len(cells) else "" for at in (self.puzzle, self.solution)
        )
        return puzzle, solution


def numbered_lines(pieces: Iterable[str], label: str, kind: PuzzleKind) -> Iterator[tuple[int, str]]:
    """The lines of a text and their numbers from 1. Raises CorpusError for a line too long to be a row."""
    rest = ""
    number = 0
    for piece in itertools.chain(pieces, ("\n",)):
        *complete, rest = (rest + piece).split("\n")
        if any(len(line) > _MAX_LINE_CHARACTERS for line in (*complete, rest)):
            raise CorpusError(f"'{label}' is not a CSV of puzzles: a line is too long.", hint=kind.row_format)
        for line in complete:
            number += 1
            yield number, line


def _cells(line: str, delimiter: str, kind: PuzzleKind) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise UsageError(f"It is not CSV: {error}.", hint=kind.row_format) from None
