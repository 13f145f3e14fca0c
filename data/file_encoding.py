"""Which encoding a file is in: by the name that is given, by its first bytes, or by its letters."""

import codecs
import re
from collections.abc import Iterator
from encodings import aliases
from pathlib import Path

from data.encoding_detection import CLOSE, differing_words, readings, telling_words
from data.errors import CorpusError, UsageError
from data.nearest import nearest
from data.text_reader import BINARY_HINT, Encoding, TextReader, first_bytes, read_range

_TEXT_CONTROLS = b"\t\n\v\f\r\x1b\b"
_CONTROLS = bytes(sorted({*range(0x20), 0x7F} - set(_TEXT_CONTROLS)))
_NOT_OF_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")
_EVIDENCE_BYTES = 16 * 2**10
_WINDOWS_PER_BLOCK = 16
_TELLING_LINES = re.compile(rb"(?:\A|\n)[^\n]{0,400}[\x80-\xff]")
_JAPANESE_ESCAPES = (b"\x1b$B", b"\x1b$@")
_SAMPLE_BYTES = 256 * 2**10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnclearEncodingError(CorpusError):
    """Two encodings give readings of a file that are about as likely.

    `choices` are both, the likelier first, each with up to three words that the other reading does not have.
    """

    def __init__(self, label: str, choices: tuple[tuple[str, list[str]], ...]) -> None:
        self.label = label
        self.choices = choices
        shown = " or ".join(f"{encoding} ({', '.join(words)})" for encoding, words in choices)
        super().__init__(
            f"'{label}' is not UTF-8, and may be {shown}.",
            hint=f"Name its encoding: {{encoding={choices[0][0]}}}",
            field="encoding",
        )


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


def detect_encoding(
    path: Path, label: str, offset: int, valid_before: int, *, guess: bool = True
) -> tuple[Encoding, str]:
    """The encoding of a file that cannot be decoded from byte `offset` on by its mark, and what to say of it.

    `valid_before` is the number of characters beyond ASCII that were decoded before. Where these and the
    valid ones after are more than twice the broken ones, the file is UTF-8 with broken bytes. Raises
    CorpusError where no encoding fits, and UnclearEncodingError where two readings of the file are close
    and it must not `guess` that the likelier is right.
    """
    marked = encoding_by_mark(path, label).name
    if marked != "utf-8":
        named = marked.removesuffix("-sig").upper()
        return Encoding(marked, "replace"), f"'{label}' is {named} with broken bytes (first at byte {offset})"
    before = max(0, offset - _SAMPLE_BYTES // 4)
    sample = b"".join(
        [*read_range(path, label, 0, _SAMPLE_BYTES), *read_range(path, label, before, _SAMPLE_BYTES)]
    )
    if len(sample.translate(None, _CONTROLS)) < 0.98 * len(sample):
        raise CorpusError(f"'{label}' is binary, not text.", hint=BINARY_HINT)
    lenient = sample.decode("utf-8", "replace")
    broken = lenient.count("\N{REPLACEMENT CHARACTER}")
    valid = sum(character > "\x7f" for character in lenient) - broken
    if valid + valid_before > 2 * broken:
        return Encoding("utf-8", "replace"), f"'{label}' is UTF-8 with broken bytes (first at byte {offset})"
    best, second, *_ = readings(b"".join(_windows(path, label)))
    if best.text.count("\N{REPLACEMENT CHARACTER}") > 0.01 * len(best.text):
        raise CorpusError(
            f"'{label}' is not text in any encoding known here.", hint="Name its encoding: {encoding=NAME}"
        )
    if best.score - second.score >= CLOSE:
        shown = ", ".join(telling_words(best.text)) or "no word shows it"
        return Encoding(best.encoding, "replace"), f"'{label}' is read as {best.encoding} ({shown})"
    words, others = differing_words(best.text, second.text)
    if not guess:
        raise UnclearEncodingError(label, ((best.encoding, words), (second.encoding, others)))
    shown = f"{best.encoding} ({', '.join(words)}), and may be {second.encoding} ({', '.join(others)})"
    return Encoding(best.encoding, "replace"), f"'{label}' is read as {shown}"


def _windows(path: Path, label: str) -> Iterator[bytes]:
    """Lines that have bytes beyond ASCII, from places all over the file, about 16 kB in all."""
    left = _EVIDENCE_BYTES
    for block in TextReader(path, label, Encoding("utf-8")).blocks():
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
