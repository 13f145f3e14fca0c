"""A file's bytes to text in pieces: unpacked, with line ends of one kind, without NULs."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import CorpusError
from data.packing import DamagedPackingError, Unpacked
from data.plain_file import open_plain_file

_PIECE_BYTES = 2**20
_MIN_BYTES_PER_NUL = 200
"""A file with more NULs than one in so many bytes is binary."""
HEAD_BYTES = 64 * 2**10
"""By its first so many bytes a file is known."""
BINARY_HINT = "rlm reads plain text; convert it first, or name another file."


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes are decoded. `errors` is "strict", or "replace" where some bytes are broken."""

    name: str
    errors: str = "strict"

    @property
    def is_wide(self) -> bool:
        """Whether its text has bytes of zero."""
        return self.name.startswith(("utf-16", "utf-32"))


class NotDecodableError(Exception):
    """The bytes at `offset` of the (unpacked) file do not fit the encoding."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class TextReader:
    """Iterates over the text of one file in pieces of about a million characters.

    Line ends become \\n, and stray NULs are dropped. Raises CorpusError for a file that cannot be read or is
    binary, NotDecodableError for one that is not in the given encoding.
    """

    def __init__(self, path: Path, label: str, encoding: Encoding) -> None:
        self.label = label
        self.encoding = encoding
        self.position = 0
        """Bytes read from the disk so far."""
        self.converted_line_ends = False
        self.dropped_nuls = 0
        self.doubled_line_ends = 0
        """How many \\r\\r\\n there are; each is read as two line ends."""
        self._path = path

    def __iter__(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding.name)(self.encoding.errors)
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        unpacked = 0
        before = ""
        for block in self.blocks():
            if not self.encoding.is_wide and (zeros := block.count(0)):
                if has_many_nuls(block):
                    at = unpacked + block.find(0)
                    raise CorpusError(f"'{self.label}' is binary (a NUL at byte {at}).", hint=BINARY_HINT)
                self.dropped_nuls += zeros
                block = block.replace(b"\0", b"")
            try:
                decoded = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                held = len(error.object) - len(block)
                raise NotDecodableError(max(0, unpacked - held + error.start)) from None
            unpacked += len(block)
            if "\r" in decoded:
                self.doubled_line_ends += (before + decoded).count("\r\r\n")
            before = decoded[-2:]
            if piece := newlines.decode(decoded, final=not block):
                yield piece
        self.converted_line_ends = newlines.newlines not in (None, "\n")

    def blocks(self) -> Iterator[bytes]:
        """The unpacked bytes, and b"" at the end."""
        try:
            with open_plain_file(self._path) as raw:
                stream = Unpacked(raw, self._path, self.label)
                while block := stream.read(_PIECE_BYTES):
                    self.position = raw.tell()
                    yield block
                yield b""
        except DamagedPackingError as error:
            raise CorpusError(
                f"'{self.label}' is not a whole {error.packing} file.",
                hint="Fetch or compress it again, or unpack it yourself.",
            ) from None
        except OSError as error:
            raise CorpusError(
                f"'{self.label}' cannot be read: {error.strerror or error}.", hint="Check its permissions."
            ) from error


def has_many_nuls(block: bytes) -> bool:
    """Whether bytes that are not UTF-16 or UTF-32 have too many NULs for a text."""
    return block.count(0) * _MIN_BYTES_PER_NUL > len(block)


def first_bytes(path: Path, label: str) -> bytes:
    """The unpacked beginning of a file. Raises CorpusError where it cannot be read."""
    return b"".join(read_range(path, label, 0, HEAD_BYTES))


def read_range(path: Path, label: str, start: int, size: int) -> Iterator[bytes]:
    """The decompressed bytes [start, start + size), as far as there are any."""
    end = start + size
    at = 0
    for block in TextReader(path, label, Encoding("utf-8")).blocks():
        if at + len(block) > start:
            yield block[max(0, start - at) : end - at]
        at += len(block)
        if at >= end:
            return
