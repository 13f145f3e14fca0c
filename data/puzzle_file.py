"""CSV files of puzzles, `puzzle,solution`: written, and read with a reason for each row that is left out."""

import csv
import gzip
import io
import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.errors import CorpusError, UsageError
from data.file_encoding import encoding_by_mark
from data.progress import Progress
from data.puzzle_kind import PuzzleKind
from data.puzzle_table import Columns, numbered_lines
from data.storage import replace_file
from data.text_reader import Encoding, TextReader
from data.wording import counted

_REPORTED_ROWS = 5
_ROWS_BETWEEN_REPORTS = 200


@dataclass(frozen=True, slots=True)
class PuzzleRows:
    """The puzzles of a file, all different, with their one solution each: both (N, T) uint8."""

    kind: PuzzleKind
    puzzles: np.ndarray
    solutions: np.ndarray
    notes: tuple[str, ...]
    """Sentences for the user on the rows that were left out."""


def read_puzzles(
    path: str | Path, limit: int | None, kind: PuzzleKind
) -> Generator[Progress, None, PuzzleRows]:
    """Returns the first `limit` usable rows of a CSV file of a `kind`, or all for None.

    The columns are described in `data.puzzle_table`; the file may be packed (.gz). A missing solution is
    computed. All puzzles have the size of the first usable one. A row that cannot be used is left out and
    reported by the number of its line; repeated puzzles are left out and counted.

    Raises UsageError where there is no file, CorpusError where no row can be used.
    """
    path = Path(os.path.expanduser(path))
    if not path.exists():
        raise UsageError(f"There is no file '{path}'.", hint=f"Give a CSV. {kind.row_format}")
    total = path.stat().st_size
    # Bytes that are not text make a row unusable, like any other foreign character.
    reader = TextReader(path, path.name, Encoding(encoding_by_mark(path, path.name).name, "replace"))
    table = _Table(path.name, kind)
    for number, line in numbered_lines(reader, path.name, kind):
        if line.strip():
            table.add(number, line)
        if number % _ROWS_BETWEEN_REPORTS == 0:
            yield Progress("reading", min(reader.position, total), total, "bytes")
        if len(table.found) == limit:
            break
    yield Progress("reading", total, total, "bytes")
    return table.rows()


def write_puzzles(
    path: str | Path, puzzles: Iterable[np.ndarray], solutions: Iterable[np.ndarray], kind: PuzzleKind
) -> None:
    """A CSV of puzzles of a `kind` and their solutions, each (T,), packed where the name ends in .gz.

    An existing file is replaced. Raises StorageError.
    """
    path = Path(os.path.expanduser(path))
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(kind.columns)
    rows.writerows((kind.line(p), kind.line(s)) for p, s in zip(puzzles, solutions, strict=True))
    content = table.getvalue().encode()
    if path.suffix.lower() == ".gz":
        content = _compress(content)
    replace_file(path, [content], f"'{path}'", hint="Choose another place.")


def _compress(content: bytes) -> bytes:
    packed = io.BytesIO()
    # No name and no time inside: the same puzzles make the same file.
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as stream:
        stream.write(content)
        stream.flush()  # as earlier versions did, which shows in the bytes
    return packed.getvalue()


@dataclass(slots=True)
class _Table:
    """The rows of a file that have been read."""

    label: str
    kind: PuzzleKind
    columns: Columns | None = None
    """None before the first line."""
    found: dict[bytes, bytes] = field(default_factory=dict)
    """Solutions by puzzle."""
    lines: dict[bytes, int] = field(default_factory=dict)
    """The numbers of their lines."""
    repeated: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Rows that cannot be used: the numbers of their lines, and the first reasons."""

    def add(self, number: int, line: str) -> None:
        """Add the line of that number: a header, a puzzle, or a row that cannot be used."""
        try:
            if self.columns is None:
                self.columns, is_header = Columns.of(line, self.label, self.kind)
                if is_header:
                    return
            puzzle, solution = self._row(*self.columns.read(line))
        except UsageError as error:
            self.broken.append((number, error.message))
            return
        if puzzle in self.found:
            self.repeated += 1
        else:
            self.found[puzzle] = solution
            self.lines[puzzle] = number

    def rows(self) -> PuzzleRows:
        """All rows that can be used. Raises CorpusError where there are none."""
        if not self.kind.has_rules:
            self._drop_other_lengths()
        if not self.found:
            if self.broken:
                raise CorpusError(
                    f"No row of '{self.label}' can be used ({_reason(*self.broken[0])}).",
                    hint=self.kind.row_format,
                )
            raise CorpusError(f"'{self.label}' holds no puzzle.", hint=self.kind.row_format)
        grids = [
            np.frombuffer(b"".join(part), dtype=self.kind.raw_dtype).reshape(len(self.found), -1)
            for part in (self.found.keys(), self.found.values())
        ]
        return PuzzleRows(*self.kind.settle(*grids), tuple(self._notes()))

    def _drop_other_lengths(self) -> None:
        """Leave out strings that have not the length that most have. The first line is then a header."""
        lengths = Counter(len(puzzle) for puzzle in self.found)
        most = max(lengths, key=lengths.__getitem__, default=0)
        for puzzle in [puzzle for puzzle in self.found if len(puzzle) != most]:
            del self.found[puzzle]
            if self.lines[puzzle] > 1:
                size = np.dtype(self.kind.raw_dtype).itemsize
                own, usual = len(puzzle) // size, most // size
                reason = (
                    f"The {self.kind.word} has {counted(own, self.kind.cell_word)}, and most have {usual}."
                )
                self.broken.append((self.lines[puzzle], reason))
        self.broken.sort()

    def _notes(self) -> Iterator[str]:
        total = len(self.found) + len(self.broken) + self.repeated
        if self.broken:
            more = "; …" if len(self.broken) > _REPORTED_ROWS else ""
            reasons = "; ".join(_reason(*row) for row in self.broken[:_REPORTED_ROWS])
            yield f"{len(self.broken)} of {total} rows of '{self.label}' cannot be used ({reasons}{more})."
        if self.repeated:
            yield f"{self.repeated} of {total} rows of '{self.label}' repeat a puzzle and were left out."

    def _row(self, puzzle_cell: str, solution_cell: str) -> tuple[bytes, bytes]:
        """Puzzle and solution as bytes. Raises UsageError where the row cannot be used."""
        grid, found = self.kind.read_row(puzzle_cell, solution_cell)
        puzzle, solution = grid.tobytes(), found.tobytes()
        first = next(iter(self.found), None)
        if first is not None and len(first) != len(puzzle) and self.kind.has_rules:
            cells = len(first) // grid.itemsize
            raise UsageError(
                f"The {self.kind.word} has {counted(len(grid), self.kind.cell_word)}, and those before it "
                f"have {cells}."
            )
        if self.found.get(puzzle, solution) != solution:
            raise UsageError(f"The {self.kind.word} is one from before, with another solution.")
        return puzzle, solution


def _reason(number: int, message: str) -> str:
    """Why the row in a line cannot be used, as a part of a sentence."""
    return f"line {number}: {message[0].lower()}{message[1:].rstrip('.')}"
