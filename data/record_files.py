"""The records of a file, in whatever format it is."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

from data.csv_rows import csv_rows
from data.document import Message
from data.errors import CorpusError
from data.json_values import json_values
from data.jsonl import MAX_RECORD_CHARACTERS, BrokenRecord, documents_in
from data.records import COLUMNS, fits_columns, named_columns
from data.table_files import TableReader
from data.text_reader import Encoding, TextReader

RecordFormat = Literal["jsonl", "csv", "parquet", "arrow"]


class RecordFile:
    """Iterates over the documents of one file of records, each a text or a conversation, or why it is none.

    Raises CorpusError for a file that cannot be read or has no column with text, NotDecodableError for one
    that is not in the given encoding.
    """

    def __init__(self, path: Path, label: str, format: RecordFormat, encoding: Encoding) -> None:
        self.left_out: Counter[str] = Counter()
        """What of the conversations is no text."""
        self.text: TextReader | None = None
        """What the records are read from, where that is text."""
        self._label = label
        self._format = format
        self._table: TableReader | None = None
        if format == "parquet" or format == "arrow":
            self._table = TableReader(path, label, format, COLUMNS)
        else:
            self.text = TextReader(path, label, encoding)

    @property
    def position(self) -> int:
        """Bytes read from the disk so far."""
        reader = self.text or self._table
        return 0 if reader is None else reader.position

    def __iter__(self) -> Iterator[str | tuple[Message, ...] | BrokenRecord]:
        return documents_in(self._records(), self.left_out)

    def _records(self) -> Iterator[tuple[int, object]]:
        if self.text is not None and self._format == "jsonl":
            yield from json_values(self.text, MAX_RECORD_CHARACTERS)
            return
        rows: Iterator[tuple[int, object]] = iter(())
        if self.text is not None:
            rows = csv_rows(self.text, MAX_RECORD_CHARACTERS)
        elif self._table is not None:
            rows = self._table.rows()
        for _, columns in rows:
            self._require_text(cast(list[str], columns))
            yield from rows

    def _require_text(self, columns: list[str]) -> None:
        if not fits_columns(columns):
            raise CorpusError(
                f"'{self._label}' has no column that holds text: there are {named_columns(columns)}.",
                hint="Rename the column of the text to 'text', or those of questions and answers to 'prompt' "
                "and 'completion'.",
            )
