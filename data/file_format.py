"""The format of a file: by the ending of its name, or by its first bytes."""

import codecs
from pathlib import Path
from typing import Literal

from data.csv_rows import columns_of_head
from data.file_encoding import encoding_of_head
from data.jsonl import begins_with_record
from data.packing import packing_of, without_packing
from data.records import has_known_columns
from data.table_files import ARROW_MAGIC, ARROW_STREAM_MAGIC, PARQUET_MAGIC
from data.text_reader import HEAD_BYTES

Format = Literal["text", "jsonl", "csv", "parquet", "arrow"]

FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".md": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
"""By the ending of a name. What .json is, its content tells."""
TABLES: tuple[Format, ...] = ("parquet", "arrow")
"""Those that are no text, of whatever encoding."""


def format_by_name(path: Path) -> Format | None:
    """The format that the name shows; None for another ending, and for a packed table, which none reads."""
    found = FORMATS.get(type_of(path))
    return None if found in TABLES and packing_of(path) else found


def format_by_content(head: bytes) -> Format | None:
    """The format that the (unpacked) beginning of a file shows; None where it may be plain text."""
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith((ARROW_MAGIC, ARROW_STREAM_MAGIC)):
        return "arrow"
    encoding = encoding_of_head(head).name
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    if begins_with_record(text, is_whole=len(head) < HEAD_BYTES):
        return "jsonl"
    return "csv" if has_known_columns(columns_of_head(text)) else None


def type_of(path: Path) -> str:
    """The ending of a name in small letters, without .gz or .zst."""
    return without_packing(path).suffix.lower()
