"""A file's bytes to text in pieces: gzip, byte order marks, encodings, line ends."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from data.errors import CorpusError
from data.plain_file import open_plain_file

_PIECE_BYTES = 2**20
_SAMPLE_BYTES = 256 * 2**10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXT_CONTROLS = b"\t\n\v\f\r\x1b\b"
_CONTROLS = bytes(sorted({*range(0x20), 0x7F} - set(_TEXT_CONTROLS)))
_SPARSE = 0.05
_BINARY_HINT = "rlm reads plain text; convert it first, or name another file."


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes are decoded. `errors` is "strict", or "replace" where some bytes are broken."""

    name: str
    errors: str = "strict"


class NotDecodableError(Exception):
    """The bytes at `offset` of the (unpacked) file do not fit the encoding."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class TextReader:
    """Iterates over the text of one file in pieces of about a million characters.

    Line ends become \\n. Raises CorpusError for a file that cannot be read or is binary, NotDecodableError
    for one that is not in the given encoding.
    """

    def __init__(self, path: Path, label: str, encoding: Encoding) -> None:
        self.label = label
        self.encoding = encoding
        self.position = 0
        """Bytes read from the disk so far."""
        self.converted_line_ends = False
        self._path = path

    def __iter__(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding.name)(self.encoding.errors)
        newlines = io.IncrementalNewlineDecoder(decoder, translate=True)
        multibyte = self.encoding.name.startswith(("utf-16", "utf-32"))
        unpacked = 0
        for block in self._blocks():
            if not multibyte and (at := block.find(b"\0")) >= 0:
                raise CorpusError(
                    f"'{self.label}' is binary (a NUL at byte {unpacked + at}).", hint=_BINARY_HINT
                )
            try:
                piece = newlines.decode(block, final=not block)
            except UnicodeDecodeError as error:
                held = len(error.object) - len(block)
                raise NotDecodableError(max(0, unpacked - held + error.start)) from None
            unpacked += len(block)
            if piece:
                yield piece
        self.converted_line_ends = newlines.newlines not in (None, "\n")

    def _blocks(self) -> Iterator[bytes]:
        """The unpacked bytes, and b"" at the end."""
        try:
            with open_plain_file(self._path) as raw, _unpack(raw, self._path) as stream:
                while block := stream.read(_PIECE_BYTES):
                    self.position = raw.tell()
                    yield block
                yield b""
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise CorpusError(
                f"'{self.label}' is not a whole gzip file.",
                hint="Fetch or compress it again, or unpack it yourself.",
            ) from None
        except OSError as error:
            raise CorpusError(
                f"'{self.label}' cannot be read: {error.strerror or error}.", hint="Check its permissions."
            ) from error


def encoding_by_mark(path: Path, label: str) -> Encoding:
    """The encoding of a file by its byte order mark; UTF-8 without one."""
    head = next(_read_range(path, label, 0, 4), b"")
    return Encoding(next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8"))


def detect_encoding(path: Path, label: str, offset: int, valid_before: int) -> tuple[Encoding, str]:
    """The encoding of a file that cannot be decoded from byte `offset` on by its mark, and a sentence on it.

    `valid_before` is the number of characters beyond ASCII that were decoded before. Where these and the
    valid ones after are more than twice the broken ones, the file is UTF-8 with broken bytes. Raises
    CorpusError where no encoding fits.
    """
    marked = encoding_by_mark(path, label).name
    if marked.startswith(("utf-16", "utf-32")):
        return Encoding(
            marked, "replace"
        ), f"'{label}' is {marked.upper()} with broken bytes (first at byte {offset})"
    before = max(0, offset - _SAMPLE_BYTES // 4)
    sample = b"".join(
        [*_read_range(path, label, 0, _SAMPLE_BYTES), *_read_range(path, label, before, _SAMPLE_BYTES)]
    )
    if len(sample.translate(None, _CONTROLS)) < 0.98 * len(sample):
        raise CorpusError(f"'{label}' is binary, not text.", hint=_BINARY_HINT)
    lenient = sample.decode("utf-8", "replace")
    broken = lenient.count("\N{REPLACEMENT CHARACTER}")
    valid = sum(character > "\x7f" for character in lenient) - broken
    if valid + valid_before > 2 * broken:
        return Encoding("utf-8", "replace"), f"'{label}' is UTF-8 with broken bytes (first at byte {offset})"
    name: str | None = "cp1252" if _is_sparse_western(sample) else _detect(sample)
    if name is None:
        raise CorpusError(f"'{label}' is not text in any encoding known here.", hint="Convert it to UTF-8.")
    return Encoding(
        name, "replace"
    ), f"'{label}' is not UTF-8 (byte {offset}); it was read as {name}, a guess"


def _is_sparse_western(sample: bytes) -> bool:
    """Whether the sample is ASCII except for a few bytes that are characters in Windows-1252. That is by far
    the likeliest encoding then, and a detector has too few bytes to decide."""
    beyond_ascii = len(sample) - len(sample.translate(None, bytes(range(128, 256))))
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return beyond_ascii < _SPARSE * len(sample)


def _detect(sample: bytes) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_bytes(sample).best()
    if best is None:
        return None
    # Of encodings that decode the sample alike, this is the most frequent.
    return "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding


def _unpack(raw: BinaryIO, path: Path) -> BinaryIO:
    """The stream itself, or its decompressed content for a .gz file."""
    if path.suffix.lower() == ".gz":
        return gzip.GzipFile(fileobj=raw, mode="rb")  # type: ignore[return-value]
    return raw


def _read_range(path: Path, label: str, start: int, size: int) -> Iterator[bytes]:
    """The decompressed bytes [start, start + size), as far as there are any."""
    end = start + size
    at = 0
    for block in TextReader(path, label, Encoding("utf-8"))._blocks():
        if at + len(block) > start:
            yield block[max(0, start - at) : end - at]
        at += len(block)
        if at >= end:
            return
