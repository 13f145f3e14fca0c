"""One file of a corpus read once: what it holds, and what was assumed or left out."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.document import Message
from data.errors import CorpusError
from data.file_encoding import detect_encoding, encoding_of_head
from data.file_format import TABLES, Format
from data.filters import CorpusFilters
from data.jsonl import RECORD_FORMATS, BrokenRecord
from data.other_formats import looks_like, refuse_documents
from data.record_files import RecordFile
from data.source_files import SourceFile
from data.text_reader import Encoding, NotDecodableError, TextReader, first_bytes
from data.text_statistics import TextStatistics

_REPORTED_LINES = 5


@dataclass(frozen=True, slots=True)
class Source:
    """One file as it was found. The split is after `train_units`: characters of a plain text, documents of a
    file of records."""

    path: Path
    format: Format
    encoding: Encoding
    bytes: int
    characters: int
    documents: int
    train_units: int


@dataclass(frozen=True, slots=True)
class FileSummary:
    """A source, and what else the description of a corpus needs of it."""

    source: Source
    label: str
    digest: str
    text_bytes: int
    has_messages: bool
    converted_line_ends: bool
    assumption: str
    """A sentence on a guessed encoding, or ""."""
    broken: str
    """A sentence on records that cannot be used, or ""."""
    remarks: str
    """Sentences on what is read and is probably not meant, or ""."""


def scan_file(
    file: SourceFile,
    documents_before: int,
    encoding: str | None = None,
    *,
    guess: bool = True,
    filters: CorpusFilters | None = None,
) -> Generator[int, None, tuple[FileSummary, np.ndarray]]:
    """Read one file; yields the bytes read so far, and returns the summary and the count of each code point.

    `encoding` is the one that the user named. Without it, the encoding is detected, and the file may be read
    a second time. `guess` says whether to choose between two close encodings; if not, they raise
    UnclearEncodingError. `documents_before` is the number of documents in the files of records before
    this one. Only what `filters` keep is counted. Raises CorpusError where there is nothing to use.
    """
    head = b""
    if file.format not in TABLES:
        head = first_bytes(file.path, file.label)
        refuse_documents(head, file.label)
    expected = encoding_of_head(head) if encoding is None else Encoding(encoding)
    scan, assumption = yield from _read(
        file, expected, filters or CorpusFilters(), is_named=encoding is not None, guess=guess
    )
    scan.require_content()
    counts = scan.statistics.character_counts()
    summary = FileSummary(
        source=scan.source(documents_before),
        label=file.label,
        digest=scan.statistics.digest,
        text_bytes=scan.statistics.bytes,
        has_messages=scan.has_messages,
        converted_line_ends=scan.converted_line_ends,
        assumption=_assumption_sentence(assumption, scan, counts, is_named=encoding is not None),
        broken=scan.broken_sentence(),
        remarks=" ".join(_remarks(scan, counts, head, already_counted=bool(assumption))),
    )
    return summary, counts


def _read(
    file: SourceFile, expected: Encoding, filters: CorpusFilters, *, is_named: bool, guess: bool
) -> Generator[int, None, tuple["_FileScan", str]]:
    """Read `file` in the `expected` encoding. Where it is in another one, read it again. Returns the last
    reading, and what was assumed for it, or ""."""
    mark = filters.mark()
    scan = _FileScan(file, expected, filters)
    try:
        yield from scan.run()
        return scan, ""
    except NotDecodableError as error:
        if is_named:
            encoding = Encoding(expected.name, "replace")
            assumption = f"'{file.label}' is not all in {expected.name} (byte {error.offset})"
        else:
            beyond_ascii = int(scan.statistics.character_counts()[128:].sum())
            encoding, assumption = detect_encoding(
                file.path, file.label, error.offset, beyond_ascii, guess=guess
            )
    filters.back_to(mark)
    scan = _FileScan(file, encoding, filters)
    yield from scan.run()
    return scan, assumption


def _assumption_sentence(assumption: str, scan: "_FileScan", counts: np.ndarray, *, is_named: bool) -> str:
    """What was assumed of the encoding and how many characters are broken in it, or "".

    Raises CorpusError where a file loses more than a third of its characters beyond ASCII in the encoding
    that was named.
    """
    if assumption:
        lost = _count_of(0xFFFD, counts)
        if is_named and 3 * lost > counts[128:].sum():
            raise CorpusError(
                f"{assumption}: {lost} characters would be lost.",
                hint="Name another encoding with {encoding}, or leave it out.",
                field="encoding",
            )
        return assumption + (f", and {lost} broken characters became U+FFFD." if lost else ".")
    if scan.encoding.name not in ("utf-8", "utf-8-sig") and not is_named:
        return f"'{scan.file.label}' is {scan.encoding.name.upper()} by its first bytes."
    return ""


def _count_of(code_point: int, counts: np.ndarray) -> int:
    return int(counts[code_point]) if code_point < len(counts) else 0


def _remarks(scan: "_FileScan", counts: np.ndarray, head: bytes, *, already_counted: bool) -> Iterator[str]:
    """What is read and is probably not meant. `already_counted` is whether the broken characters are."""
    label = scan.file.label
    kind = looks_like(head.decode(scan.encoding.name, "replace"))
    if kind and scan.file.format == "text":
        yield f"'{label}' looks like {kind}"
    marks, broken = _count_of(0xFEFF, counts), _count_of(0xFFFD, counts)
    if marks:
        yield f"Byte order marks within '{label}' are read as characters ({marks})."
    if scan.dropped_nuls:
        yield f"{scan.dropped_nuls} NUL bytes of '{label}' were left out."
    if broken and not already_counted:
        yield f"Broken characters of '{label}', such as half of a surrogate pair, are U+FFFD ({broken})."
    if scan.doubled_line_ends:
        yield f"Line ends \\r\\r\\n of '{label}' are read as two ({scan.doubled_line_ends})."
    if left_out := [f"{count:,} {what}" for what, count in sorted(scan.left_out.items()) if count]:
        yield f"Left out of the conversations of '{label}': {', '.join(left_out)}."
    if scan.unanswered:
        total = f"{scan.unanswered} of {scan.conversations}"
        yield f"{total} conversations of '{label}' have no answer, or an empty one."


class _FileScan:
    """The counts of one reading of a file."""

    def __init__(self, file: SourceFile, encoding: Encoding, filters: CorpusFilters) -> None:
        self.file = file
        self.encoding = encoding
        self.statistics = TextStatistics()
        self.documents = 0
        self.dropped_documents = 0
        self.has_messages = False
        self.converted_line_ends = False
        self.dropped_nuls = self.doubled_line_ends = 0
        self.conversations = self.unanswered = 0
        self.left_out: Counter[str] = Counter()
        """What of the conversations is no text."""
        self.broken: list[BrokenRecord] = []
        self.broken_count = 0
        self._filters = filters
        self._has_text = False
        """Whether there is any, dropped or not."""

    def run(self) -> Generator[int, None, None]:
        """Read the file; yields the bytes read so far."""
        if self.file.format == "text":
            reader = TextReader(self.file.path, self.file.label, self.encoding)
            for piece in self._filters.kept_text(self._noting_text(reader)):
                self.statistics.add(piece)
                yield reader.position
            self.documents = 1 if self.statistics.characters else 0
            self._note_text(reader)
        else:
            position = 0
            records = RecordFile(self.file.path, self.file.label, self.file.format, self.encoding)
            for record in records:
                self._add(record)
                if records.position != position:
                    position = records.position
                    yield position
            self.left_out = records.left_out
            if records.text is not None:
                self._note_text(records.text)

    def _noting_text(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            self._has_text = self._has_text or bool(piece)
            yield piece

    def _note_text(self, reader: TextReader) -> None:
        self.converted_line_ends = reader.converted_line_ends
        self.dropped_nuls = reader.dropped_nuls
        self.doubled_line_ends = reader.doubled_line_ends

    def _add(self, record: str | tuple[Message, ...] | BrokenRecord) -> None:
        if isinstance(record, BrokenRecord):
            self.broken_count += 1
            if len(self.broken) < _REPORTED_LINES:
                self.broken.append(record)
            return
        self._has_text = self._has_text or isinstance(record, str) or any(one.content for one in record)
        if self._filters.dropped_document(record) is not None:
            self.dropped_documents += 1
            return
        self.documents += 1
        if isinstance(record, str):
            self.statistics.add(record, f"text:{len(record)}:")
        else:
            self.has_messages = True
            self.conversations += 1
            answers = [message.content for message in record if message.role == "assistant"]
            self.unanswered += not answers or not all(map(str.strip, answers))
            self.statistics.add("", f"messages:{len(record)}:")
            for message in record:
                self.statistics.add(message.content, f"{message.role}:{len(message.content)}:")

    def require_content(self) -> None:
        """Raise CorpusError for a file that is empty, or most of whose records cannot be used."""
        usable = self.documents + self.dropped_documents
        if self.broken and not usable:
            first = self.broken[0]
            raise CorpusError(
                f"No record of '{self.file.label}' can be used ({self._where(first)}).",
                hint=f"Each record is one of: {RECORD_FORMATS}.",
            )
        if self.broken_count > usable:
            raise CorpusError(
                f"Most of it is lost: {self.broken_sentence()}",
                hint=f"Each record is one of: {RECORD_FORMATS}.",
            )
        if not self._has_text:
            raise CorpusError(f"'{self.file.label}' is empty.", hint="Give a file with text in it.")

    def broken_sentence(self) -> str:
        """Which records cannot be used and why, or "" where all can."""
        if not self.broken:
            return ""
        first = "; ".join(map(self._where, self.broken))
        more = "; …" if self.broken_count > len(self.broken) else ""
        total = self.broken_count + self.documents + self.dropped_documents
        return (
            f"{self.broken_count} of {total} records of '{self.file.label}' cannot be used ({first}{more})."
        )

    def _where(self, broken: BrokenRecord) -> str:
        return f"{'row' if self.file.format in TABLES else 'line'} {broken.line}: {broken.reason}"

    def source(self, documents_before: int) -> Source:
        """The file as it was read. The last tenth of it is the validation part."""
        if self.file.format == "text":
            train_units = int(0.9 * self.statistics.characters)
        else:
            # Counted over all files, so that many short ones leave a tenth too.
            train_units = int(0.9 * (documents_before + self.documents)) - int(0.9 * documents_before)
        return Source(
            path=self.file.path,
            format=self.file.format,
            encoding=self.encoding,
            bytes=self.file.size(),
            characters=self.statistics.characters,
            documents=self.documents,
            train_units=train_units,
        )
