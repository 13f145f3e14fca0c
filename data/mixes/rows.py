"""The rows of a source that are read by columns or in part, always in the same order."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data.csv_rows import csv_rows
from data.errors import CorpusError, UsageError
from data.file_encoding import encoding_by_mark
from data.file_format import FORMATS, Format, type_of
from data.json_values import json_values
from data.jsonl import MAX_RECORD_CHARACTERS
from data.mixes import library
from data.mixes.spec import MixSource
from data.records import COLUMNS, fits_columns, named_columns
from data.table_files import TableReader
from data.text_reader import NotDecodableError, TextReader

Row = Mapping[str, object]

BROKEN = "broken records"
"""What a row is counted by that is none."""
_BY_ENDING: Mapping[str, Format] = {**FORMATS, ".json": "jsonl"}


class BrokenRow:
    """Stands in the place of a row that cannot be read."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a source."""

    rows: Iterator[Row | BrokenRow]
    columns: tuple[str, ...] | None = None
    """Of a table, all that it has; None where rows have the columns they have."""
    number: int | None = None
    """How many rows there are in all, where it is known."""
    of_library: bool = False
    """Whether the library `datasets` reads them."""


def has_rows(source: MixSource) -> bool:
    """Whether a source is read row by row, and not as a text is that is trained on alone.

    Raises UsageError for a path that does not exist, a plain text with columns, and files with a split.
    """
    if source.dataset is not None:
        return True
    path = _existing(source)
    if library.is_saved(path):
        return True
    if source.split is not None:
        raise UsageError(
            f"Source '{source.name}' has a 'split', and its path is no data set that was saved.",
            hint="Give the files of that split as its path.",
        )
    wanted = [key for key in ("columns", "template", "documents") if getattr(source, key)]
    if not wanted:
        return False
    formats = {format_of(file) for file in files_of(path)} - {None}
    if formats <= {"text"}:
        raise UsageError(
            f"Source '{source.name}' is plain text, which has no rows for its '{wanted[0]}'.",
            hint=f"Leave '{wanted[0]}' out.",
        )
    if "text" in formats:
        raise UsageError(
            f"The folder of source '{source.name}' has plain texts beside its tables.",
            hint=f"Give them a source of their own, without '{wanted[0]}'.",
        )
    return True


def open_rows(source: MixSource, needed: tuple[str, ...], skip: int = 0) -> Rows:
    """The rows after the first `skip`, with the columns that are `needed`; without any, with those that a
    record may have.

    Raises CorpusError, UsageError.
    """
    if source.dataset is not None:
        return _of_library(library.open_dataset(source), skip)
    path = _existing(source)
    if library.is_saved(path):
        return _of_library(library.open_saved(source, path), skip)
    wanted = frozenset(needed) or COLUMNS
    formats = {file: found for file in files_of(path) if (found := format_of(file)) not in (None, "text")}
    readers = [_FileRows(file, found, wanted, needed) for file, found in formats.items() if found is not None]
    columns = _common_columns(source, needed, readers)
    return Rows(islice((row for reader in readers for row in reader), skip, None), columns)


def files_of(path: Path) -> list[Path]:
    """The file, or the files below a folder in the order of their paths, without hidden ones."""
    if not path.is_dir():
        return [path]
    found = []
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        found += [Path(parent, name) for name in names if name[0] != "."]
    return sorted(found, key=lambda file: file.relative_to(path).as_posix())


def format_of(file: Path) -> Format | None:
    """What a file holds by its ending, packed or not; None for another ending."""
    return _BY_ENDING.get(type_of(file))


class _FileRows:
    """The rows of one file. Raises CorpusError where it cannot be read."""

    def __init__(self, file: Path, format: Format, wanted: frozenset[str], needed: tuple[str, ...]) -> None:
        self.name = file.name
        self._file, self._format, self._wanted, self._needed = file, format, wanted, needed

    def columns(self) -> tuple[str, ...] | None:
        """Those that its table has; None for records."""
        if self._format == "jsonl":
            return None
        _, names = next(self._values(), (0, []))
        return tuple(map(str, names)) if isinstance(names, list) else ()

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        values = self._values()
        empty: dict[str, object] = {}
        if self._format != "jsonl":
            _, names = next(values, (0, []))
            if self._format == "csv" and isinstance(names, list):  # its rows come without their empty cells
                empty = {name: "" for name in self._needed if name in names}
        for _, value in values:
            yield {**empty, **value} if isinstance(value, dict) else BrokenRow()

    def _values(self) -> Iterator[tuple[int, object]]:
        name = self._file.name
        if self._format == "parquet" or self._format == "arrow":
            yield from TableReader(self._file, name, self._format, self._wanted).rows()
            return
        read = csv_rows if self._format == "csv" else json_values
        try:
            text = TextReader(self._file, name, encoding_by_mark(self._file, name))
            yield from read(text, MAX_RECORD_CHARACTERS)
        except NotDecodableError as error:
            raise CorpusError(
                f"'{name}' is not UTF-8 (byte {error.offset}).", hint="Save it as UTF-8 and try again."
            ) from None


def _common_columns(
    source: MixSource, needed: tuple[str, ...], readers: list[_FileRows]
) -> tuple[str, ...] | None:
    """The columns of the first table that has any; None where there are only records.

    Raises CorpusError where a table after it has not what is `needed`, and would give no document.
    """
    tables = [(reader.name, found) for reader in readers if (found := reader.columns()) is not None]
    if not tables:
        return None
    filled = [(name, columns) for name, columns in tables if columns]  # an empty file has no row to miss
    for name, columns in filled[1:]:
        lost = [one for one in needed if one not in columns]
        if lost or not (needed or fits_columns(columns)):
            what = f"no column {named_columns(lost)}" if lost else "no column that holds text by its name"
            raise CorpusError(
                f"'{name}' of source '{source.name}' has {what}: it has {named_columns(columns)}.",
                hint="Give it a source of its own, with its own columns, or take it out of the folder.",
            )
    if filled:
        return filled[0][1]
    return () if len(tables) == len(readers) else None


def _of_library(table: library.Table, skip: int) -> Rows:
    return Rows(table.read(skip), table.columns, table.rows, of_library=True)


def _existing(source: MixSource) -> Path:
    assert source.path is not None
    path = Path(source.path)
    if not path.exists():
        raise UsageError(
            f"There is no file or folder '{path}', of source '{source.name}'.",
            hint="Paths in a mix file are from the folder it is in.",
        )
    return path
