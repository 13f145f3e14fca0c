"""A stream, such as standard input, copied to a file in the cache: a corpus is read more than once."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data.cache import CACHE_HINT, cache_dir
from data.errors import CorpusError
from data.file_encoding import encoding_of_head
from data.file_format import TABLES, Format, format_by_content
from data.packing import packing_of_head, unpacked_head
from data.storage import clear_temporaries, move_into_place, storing, temporary_beside, write_file
from data.text_reader import HEAD_BYTES, has_many_nuls

_BLOCK = 2**20
_LONGEST_STREAM_S = 24 * 3600.0
_ENDINGS: dict[Format, str] = {
    "text": ".txt",
    "jsonl": ".jsonl",
    "csv": ".csv",
    "parquet": ".parquet",
    "arrow": ".arrow",
}


def copy_to_cache(stream: BinaryIO, label: str) -> tuple[Path, Format]:
    """The file that a stream was written to, and its format.

    The file is named by its content, so that the same text takes its space once. Raises CorpusError where
    nothing came or it is no text, StorageError.
    """
    folder = cache_dir() / "standard-input"
    with storing(f"what came from {label} in '{folder}'", CACHE_HINT):
        folder.mkdir(exist_ok=True)
        clear_temporaries(folder, _LONGEST_STREAM_S)
        with temporary_beside(folder / "stream") as temporary:
            blocks = _StreamBlocks(stream, label)
            digest = write_file(temporary, blocks)
            if not blocks.head:
                raise CorpusError(
                    f"Nothing came from {label}.",
                    hint="Pipe some in: put 'cat book.txt |' before the command.",
                )
            format = _format_of(blocks.head, label)
            ending = _ENDINGS[format] + packing_of_head(blocks.head)
            path = folder / (digest.sha256[:32] + ending)
            move_into_place(temporary, path)
    return path, format


class _StreamBlocks:
    """The bytes of a stream in blocks, read once. Raises CorpusError where they are not text."""

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.head = b""
        """The beginning of the stream, as far as it has been read."""
        self._stream = stream
        self._label = label

    def __iter__(self) -> Iterator[bytes]:
        has_nuls = False
        while block := self._stream.read(_BLOCK):
            if not self.head:
                self.head = block[:HEAD_BYTES]
                is_binary = bool(packing_of_head(self.head)) or format_by_content(self.head) in TABLES
                has_nuls = is_binary or encoding_of_head(self.head).is_wide
            if not has_nuls and has_many_nuls(block):
                raise CorpusError(
                    f"What came from {self._label} is binary, not text.", hint="Pipe plain text in."
                )
            yield block


def _format_of(head: bytes, label: str) -> Format:
    """A packed table is none that can be read; as text it is told to be binary."""
    format = format_by_content(unpacked_head(head, HEAD_BYTES, label)) or "text"
    return "text" if packing_of_head(head) and format in TABLES else format
