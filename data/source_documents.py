"""The documents of one file of a corpus, streamed from it again after it was scanned."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

from data.document import Document, Message, Split
from data.errors import CorpusError
from data.filters import CorpusFilters
from data.jsonl import BrokenRecord
from data.record_files import RecordFile, RecordFormat
from data.scan import Source
from data.text_reader import NotDecodableError, TextReader

_Item = TypeVar("_Item")


def split_documents(source: Source, filters: CorpusFilters) -> Iterator[tuple[Split, Document]]:
    """Every document that `filters` keep, and its split. A plain text is two documents: before and after the
    split. Raises CorpusError where the file has changed since it was scanned."""
    if source.format == "text":
        return _split_text(source, filters)
    return _split_records(source, source.format, filters)


def whole_documents(source: Source, filters: CorpusFilters) -> Iterator[Document]:
    """The same, where a plain text is one document."""
    if source.format != "text":
        yield from (document for _, document in _split_records(source, source.format, filters))
        return
    pieces = _whole_text(source, filters)
    if source.documents:  # the filters left something
        yield Document(pieces=pieces)
    if filters:
        _pass_over(pieces)


def _split_text(source: Source, filters: CorpusFilters) -> Iterator[tuple[Split, Document]]:
    """A plain text as two documents: before and after the split."""
    text = _SplitText(source, filters)
    if source.train_units:
        yield "train", Document(pieces=text.before())
    if source.train_units < source.characters:
        yield "validation", Document(pieces=text.after())
    if filters:
        _pass_over(text.pieces)


def _whole_text(source: Source, filters: CorpusFilters) -> Iterator[str]:
    """The pieces of a plain text."""
    read, reader = 0, TextReader(source.path, source.path.name, source.encoding)
    for piece in _pieces(source, filters.kept_text(reader)):
        read += len(piece)
        yield piece
    if read != source.characters:
        raise _file_changed(source)


class _SplitText:
    """A plain text that is read once, in two parts."""

    def __init__(self, source: Source, filters: CorpusFilters) -> None:
        self.source = source
        reader = TextReader(source.path, source.path.name, source.encoding)
        self.pieces = _pieces(source, filters.kept_text(reader))
        self.rest = ""
        self.at = 0

    def before(self) -> Iterator[str]:
        """The pieces up to the split."""
        while self.at < self.source.train_units:
            piece = next(self.pieces, None)
            if piece is None:
                raise _file_changed(self.source)
            cut = self.source.train_units - self.at
            piece, self.rest = piece[:cut], piece[cut:]
            self.at += len(piece)
            yield piece

    def after(self) -> Iterator[str]:
        """The pieces from the split on; what is left before it is skipped."""
        for _ in self.before():
            pass
        for piece in itertools.chain((self.rest,), self.pieces):
            self.at += len(piece)
            if piece:
                yield piece
        if self.at != self.source.characters:
            raise _file_changed(self.source)


def _split_records(
    source: Source, format: RecordFormat, filters: CorpusFilters
) -> Iterator[tuple[Split, Document]]:
    count = 0
    for record in _pieces(source, RecordFile(source.path, source.path.name, format, source.encoding)):
        if isinstance(record, BrokenRecord) or filters.dropped_document(record) is not None:
            continue
        split: Split = "train" if count < source.train_units else "validation"
        yield split, _document(record)
        count += 1
    if count != source.documents:
        raise _file_changed(source)


def _document(record: str | tuple[Message, ...]) -> Document:
    return Document(pieces=iter((record,))) if isinstance(record, str) else Document(messages=record)


def _pass_over(pieces: Iterator[str]) -> None:
    """Let the filters read what nobody took: they compare a text with all that came before."""
    for _ in pieces:
        pass


def _pieces(source: Source, reader: Iterable[_Item]) -> Iterator[_Item]:
    """What a reader of that file gives. Raises CorpusError where the file has changed."""
    try:
        yield from reader
    except NotDecodableError:
        raise _file_changed(source) from None


def _file_changed(source: Source) -> CorpusError:
    return CorpusError(
        f"'{source.path.name}' changed while it was being read.", hint="Run the command again."
    )
