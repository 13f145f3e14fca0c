"""The rows of a CSV or TSV file, by the names in its first line."""

import csv
from collections.abc import Iterable, Iterator

from data.json_values import Broken
from data.wording import counted

_DELIMITERS = ",\t;|"
_LONGEST_HEADER = 2**16


def csv_rows(pieces: Iterable[str], limit: int) -> Iterator[tuple[int, object]]:
    """The line each row begins on, counted from 1, and its cells by column, without the empty ones.

    First come the names of the columns, as a list, on the line they stand on. A row of more cells than
    columns, or with a cell of more than `limit` characters, is Broken. `pieces` are cut anywhere.
    """
    lines = _Lines(pieces)
    csv.field_size_limit(limit)
    rows: Iterator[list[str]] | None = None
    columns: list[str] = []
    while True:
        begins = lines.read + 1
        try:
            if rows is None:
                rows = csv.reader(lines, delimiter=lines.delimiter())
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield begins, Broken(f"a cell longer than {limit // 10**6} million characters")
            continue
        if not any(cells):
            continue
        if not columns:
            columns = [cell.strip() for cell in cells]
            yield begins, columns
        elif any(cells[len(columns) :]):
            yield begins, Broken(f"{counted(len(cells), 'cell')} for {counted(len(columns), 'column')}")
        else:
            yield begins, {name: cell for name, cell in zip(columns, cells, strict=False) if cell}


def columns_of_head(head: str) -> list[str]:
    """The cells of the first line of a text, as far as it can be the header of a table of several columns."""
    line = head.lstrip("\ufeff\n").partition("\n")[0]
    if len(line) > _LONGEST_HEADER:
        return []
    try:
        cells = next(csv.reader([line], delimiter=delimiter_of(line)), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in cells] if len(cells) > 1 else []


def delimiter_of(header: str) -> str:
    """What stands between the names in the first line of a table: a comma where nothing tells."""
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


class _Lines:
    """The lines of a text with their ends; counts those that were taken."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.read = 0
        self._lines = _lines(pieces)
        self._first: str | None = None

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line, self._first = (next(self._lines) if self._first is None else self._first), None
        self.read += 1
        return line

    def delimiter(self) -> str:
        """By the first line that is not empty, which is not taken. Raises StopIteration."""
        for line in self._lines:
            if line.strip():
                self._first = line
                return delimiter_of(line)
            self.read += 1
        raise StopIteration


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest
