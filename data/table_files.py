"""Parquet and Arrow files as rows of named columns. They need the package pyarrow."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

from data.errors import CorpusError
from data.packing import EXTRA_HINT
from data.plain_file import open_plain_file

TableFormat = Literal["parquet", "arrow"]
PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
ARROW_STREAM_MAGIC = b"\xff\xff\xff\xff"
_ROWS_AT_ONCE = 256
_Batch = tuple[Any, float]


class TableReader:
    """The rows of a file, in batches of bounded size; only columns that can hold text are read."""

    def __init__(self, path: Path, label: str, format: TableFormat, wanted: frozenset[str]) -> None:
        self.position = 0
        """About how many bytes have been read from the disk."""
        self._path = path
        self._label = label
        self._format = format
        self._wanted = wanted

    def rows(self) -> Iterator[tuple[int, object]]:
        """The names of all columns as a list, then each row, numbered from 1, by the `wanted` columns.

        Raises CorpusError where pyarrow is missing, or the file is damaged.
        """
        try:
            import pyarrow
        except ImportError:
            name = self._format.capitalize()
            raise CorpusError(
                f"'{self._label}' is {name}, and the package that reads it is not installed.",
                hint=EXTRA_HINT.format(package="pyarrow"),
            ) from None
        number = 0
        try:
            with open_plain_file(self._path) as file:
                size = os.fstat(file.fileno()).st_size
                opened = _parquet if self._format == "parquet" else _arrow
                columns, batches = opened(pyarrow, file, self._wanted)
                yield 0, columns
                for batch, share in batches:
                    self.position = round(share * size)
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise CorpusError(
                f"'{self._label}' cannot be read: {reason or f'it is no whole {self._format} file'}.",
                hint="Check its permissions." if reason else "Fetch or write it again.",
            ) from error


def _parquet(library: Any, file: BinaryIO, wanted: frozenset[str]) -> tuple[list[str], Iterator[_Batch]]:
    """The names of the columns; then each batch with the share of the rows that have come by then."""
    parquet = importlib.import_module("pyarrow.parquet").ParquetFile(file)
    columns: list[str] = parquet.schema_arrow.names
    found = [name for name in columns if name in wanted]

    def batches() -> Iterator[_Batch]:
        done = 0
        for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=found, use_threads=False):
            done += batch.num_rows
            yield batch, done / parquet.metadata.num_rows

    return columns, batches() if found else iter(())


def _arrow(library: Any, file: BinaryIO, wanted: frozenset[str]) -> tuple[list[str], Iterator[_Batch]]:
    """As `_parquet`, for the stream that `datasets` writes and for the file that Feather is."""
    is_stream = file.read(len(ARROW_MAGIC)) != ARROW_MAGIC
    size = max(1, file.seek(0, os.SEEK_END))
    file.seek(0)
    reader = library.ipc.open_stream(file) if is_stream else library.ipc.open_file(file)
    columns: list[str] = reader.schema.names
    found = [name for name in columns if name in wanted]
    count = 0 if is_stream else reader.num_record_batches

    def batches() -> Iterator[_Batch]:
        for whole in reader if is_stream else map(reader.get_batch, range(count)):
            for start in range(0, whole.num_rows, _ROWS_AT_ONCE):
                yield whole.select(found).slice(start, _ROWS_AT_ONCE), file.tell() / size

    return columns, batches() if found else iter(())
