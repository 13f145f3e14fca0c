"""A file's bytes to text in pieces: gzip, byte order marks, encodings, line ends."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from encodings import aliases
from pathlib import Path
from typing import BinaryIO

from data.encoding_detection import CLOSE, Reading, readings, telling_words
from data.errors import CorpusError, UsageError
from data.nearest import nearest
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
_NOT_OF_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")
_MIN_BYTES_PER_NUL = 200
"""A file with more NULs than one in so many bytes is binary."""
_HEAD_BYTES = 64 * 2**10
_EVIDENCE_BYTES = 16 * 2**10
_WINDOWS_PER_BLOCK = 16
_TELLING_LINES = re.compile(rb"(?:\A|\n)[^\n]{0,400}[\x80-\xff]")
_JAPANESE_ESCAPES = (b"\x1b$B", b"\x1b$@")
_COMMAS = str.maketrans("şţŞŢ", "șțȘȚ")
_BINARY_HINT = "rlm reads plain text; convert it first, or name another file."


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


class UnclearEncodingError(CorpusError):
    """Two encodings give readings of a file that are about as likely."""

    def __init__(self, label: str, candidates: tuple[Reading, ...]) -> None:
        self.candidates = candidates
        shown = " or ".join(f"{one.encoding} ({', '.join(telling_words(one.text))})" for one in candidates)
        super().__init__(
            f"'{label}' is not UTF-8, and its letters may be {shown}.",
            hint=f"Name its encoding: {{encoding={candidates[0].encoding}}}",
            field="encoding",
        )


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
        for block in self._blocks():
            if not self.encoding.is_wide and (zeros := block.count(0)):
                if has_many_nuls(block):
                    at = unpacked + block.find(0)
                    raise CorpusError(f"'{self.label}' is binary (a NUL at byte {at}).", hint=_BINARY_HINT)
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


def named_encoding(name: str) -> str:
    """The standard name of a text encoding. Raises UsageError for an unknown one, with near names."""
    try:
        found = codecs.lookup(name)
        found.incrementaldecoder("strict").decode(b"", final=True)
        if not found._is_text_encoding or found.name in _NOT_OF_FILES:  # such as hex and rot13
            raise LookupError
    except (LookupError, ValueError, TypeError, UnicodeError):
        known = sorted({*aliases.aliases, *aliases.aliases.values()})
        close = nearest(name.lower().replace("-", "_"), known, count=3)
        raise UsageError(
            f"There is no text encoding '{name}'.",
            hint=f"Did you mean {' or '.join(close)}?" if close else "Some are utf-8, cp1252 and cp1251.",
            field="encoding",
        ) from None
    return found.name


def has_many_nuls(block: bytes) -> bool:
    """Whether bytes that are not UTF-16 or UTF-32 have too many NULs for a text."""
    return block.count(0) * _MIN_BYTES_PER_NUL > len(block)


def first_bytes(path: Path, label: str) -> bytes:
    """The unpacked beginning of a file. Raises CorpusError where it cannot be read."""
    return b"".join(_read_range(path, label, 0, _HEAD_BYTES))


def encoding_by_mark(path: Path, label: str) -> Encoding:
    """`encoding_of_head` of a file. Raises CorpusError where it cannot be read."""
    return encoding_of_head(first_bytes(path, label))


def encoding_of_head(head: bytes) -> Encoding:
    """The encoding that the beginning of a text shows: by a byte order mark, by the zeros of UTF-16, or by
    the escapes of ISO-2022-JP. UTF-8 where nothing shows."""
    if mark := next((name for mark, name in _MARKS if head.startswith(mark)), None):
        return Encoding(mark)
    if wide := _utf16_by_zeros(head):
        return Encoding(wide)
    if head.isascii() and any(escape in head for escape in _JAPANESE_ESCAPES):
        return Encoding("iso2022_jp")
    return Encoding("utf-8")


def _utf16_by_zeros(head: bytes) -> str | None:
    """UTF-16 has its zeros, of ASCII characters, on one side of each pair of bytes."""
    zeros = [head[side::2].count(0) for side in (0, 1)]
    if max(zeros) < max(2, len(head) // 100) or min(zeros) > max(zeros) // 50:
        return None
    name = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    text = codecs.getincrementaldecoder(name)("replace").decode(head)
    printable = sum(character.isprintable() or character in "\t\r\n\f" for character in text)
    return name if printable > 0.98 * len(text) else None


def detect_encoding(path: Path, label: str, offset: int, valid_before: int) -> tuple[Encoding, str]:
    """The encoding of a file that cannot be decoded from byte `offset` on by its mark, and a sentence on it.

    `valid_before` is the number of characters beyond ASCII that were decoded before. Where these and the
    valid ones after are more than twice the broken ones, the file is UTF-8 with broken bytes. Raises
    CorpusError where no encoding fits, UnclearEncodingError where two readings of the file are close.
    """
    marked = encoding_by_mark(path, label).name
    if marked != "utf-8":
        named = marked.removesuffix("-sig").upper()
        return Encoding(marked, "replace"), f"'{label}' is {named} with broken bytes (first at byte {offset})"
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
    best, *others = readings(b"".join(_windows(path, label)))
    second = next(one for one in others if not _differ_by_commas(best, one))
    twin = next((one for one in others if _differ_by_commas(best, one)), None)
    if best.text.count("\N{REPLACEMENT CHARACTER}") > 0.01 * len(best.text):
        raise CorpusError(
            f"'{label}' is not text in any encoding known here.", hint="Name its encoding: {encoding=NAME}"
        )
    if best.score - second.score < CLOSE:
        raise UnclearEncodingError(label, (best, second))
    words = ", ".join(telling_words(best.text)) or "no word shows it"
    if twin is not None:
        words += f"; {', '.join(telling_words(twin.text))} if it is {twin.encoding}"
    return Encoding(best.encoding, "replace"), f"'{label}' is read as {best.encoding} ({words})"


def _differ_by_commas(one: Reading, other: Reading) -> bool:
    """Whether two readings differ only in Romanian ş and ţ, which are the same bytes with a comma below."""
    return one.text.translate(_COMMAS) == other.text.translate(_COMMAS)


def _windows(path: Path, label: str) -> Iterator[bytes]:
    """Lines that have bytes beyond ASCII, from places all over the file, about 16 kB in all."""
    left = _EVIDENCE_BYTES
    for block in TextReader(path, label, Encoding("utf-8"))._blocks():
        stride = max(1, len(block) // _WINDOWS_PER_BLOCK)
        end = 0
        for start in range(0, len(block), stride):
            found = _TELLING_LINES.search(block, max(start, end))
            if found is None:
                break
            end = found.start() + max(1024, stride if len(block) < _EVIDENCE_BYTES else 0)
            line_end = block.rfind(b"\n", found.end(), end)
            window = block[found.start() : line_end if line_end > 0 else end].lstrip(b"\n")
            yield window + b"\n"
            left -= len(window)
            if left <= 0:
                return


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
