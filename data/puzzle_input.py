"""Puzzles to solve, from a file or a stream: in a CSV, one on each line, or drawn.

None is left out, unlike in training: all are returned in their order, or the first that cannot be read is an
error.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.errors import UsageError
from data.file_encoding import encoding_by_mark
from data.puzzle_kind import PuzzleKind
from data.puzzle_table import PUZZLE_COLUMNS, Columns, numbered_lines
from data.text_reader import Encoding, TextReader

MOST_CHARACTERS = 64 << 20
"""Of one input, because all of it is kept in memory."""
_GZIP_MARK = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class InputPuzzle:
    """One puzzle, and where it was found."""

    grid: np.ndarray = field(repr=False)
    """(T,) uint8."""
    place: str = ""
    """Such as "Line 7 of 'x.csv'"; empty where there is only one puzzle."""
    target: np.ndarray | None = field(default=None, repr=False)
    """(T,) uint8: the answer that is known, where there are no rules."""

    def problem(self, error: UsageError) -> UsageError:
        """`error` with the place of this puzzle in its message."""
        return _with_place(error, self.place)


def puzzles_from_file(path: Path, kind: PuzzleKind) -> list[InputPuzzle]:
    """The puzzles of a `kind` in a text file, which may be packed (.gz).

    Raises UsageError, which names the line, for what is not a grid, CorpusError for what is not text.
    """
    encoding = Encoding(encoding_by_mark(path, path.name).name, "replace")
    return _read(TextReader(path, path.name, encoding), f"'{path.name}'", kind)


def puzzles_from_stream(stream: BinaryIO, label: str, kind: PuzzleKind) -> list[InputPuzzle]:
    """The puzzles of a stream in UTF-8. Raises as `puzzles_from_file`."""
    content = stream.read(MOST_CHARACTERS + 1)
    if len(content) > MOST_CHARACTERS:
        raise _too_large(label)
    if content.startswith(_GZIP_MARK):
        raise UsageError(f"What comes from {label} is packed.", hint="Unpack it: zcat FILE | …")
    text = content.decode("utf-8-sig", "replace")
    return _read([io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)], label, kind)


def _read(pieces: Iterable[str], label: str, kind: PuzzleKind) -> list[InputPuzzle]:
    lines = list(numbered_lines(_within_limit(pieces, label), label, kind))
    rows = [(number, line) for number, line in lines if line.strip()]
    if not rows or not _is_table(rows[0][1], kind):
        grids = kind.parse_all("\n".join(line for _, line in lines))
        several = len(grids) > 1
        return [InputPuzzle(grid, f"Puzzle {i}" if several else "") for i, grid in enumerate(grids, start=1)]
    columns, has_header = Columns.of(rows[0][1], label, kind)
    found = []
    for number, line in rows[has_header:]:
        place = f"Line {number} of {label}"
        try:
            puzzle, solution = columns.read(line)
            known = bool(solution) and not kind.has_rules
            target = kind.parse(solution, "target") if known else None
            found.append(InputPuzzle(kind.parse(puzzle), place, target))
        except UsageError as error:
            raise _with_place(error, place) from error
    if not found:
        raise UsageError(f"There is no puzzle in {label}.", hint=kind.row_format)
    return found


def _is_table(line: str, kind: PuzzleKind) -> bool:
    """Whether the first line is of a table with one puzzle in each row, and not of a drawing."""
    cells = [cell.strip().strip('"') for cell in line.split("\t")]
    named = any(cell.lower() in PUZZLE_COLUMNS for cell in cells)
    if not kind.has_rules and not named and kind.is_row(line.strip()):
        return False  # what separates columns may be one of its symbols
    return named or kind.is_row(cells[0]) or any(mark in line for mark in ",;")


def _within_limit(pieces: Iterable[str], label: str) -> Iterator[str]:
    characters = 0
    for piece in pieces:
        characters += len(piece)
        if characters > MOST_CHARACTERS:
            raise _too_large(label)
        yield piece


def _too_large(label: str) -> UsageError:
    return UsageError(f"There is more in {label} than {MOST_CHARACTERS >> 20} MB.", hint="Solve it in parts.")


def _with_place(error: UsageError, place: str) -> UsageError:
    if not place:
        return error
    return UsageError(f"{place}: {error.message[0].lower()}{error.message[1:]}", hint=error.hint)
