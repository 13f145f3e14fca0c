"""A corpus: where its text is, how much there is of it, and a way to stream it.

One pass over the files counts and hashes the text. Only the counts stay in memory, so that a corpus of
gigabytes needs no more of it than a page.
"""

import hashlib
import json
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np

from data.document import Document, Split
from data.errors import CorpusError
from data.file_encoding import named_encoding
from data.filters import CorpusFilters, Dropped, dropped_in_words
from data.packing import without_packing
from data.progress import Progress, convert_yields, result_of
from data.scan import FileSummary, Source, scan_file
from data.source_documents import split_documents, whole_documents
from data.source_files import SourceFile, count_files, find_source_files
from data.wording import counted

Kind = Literal["text", "documents", "messages"]
_Result = TypeVar("_Result")

_NAMED_AT_MOST = 5
_STRETCH = 16_384  # characters


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text to train on. `kind` is "text" where each file is one long text, "documents" where there are
    separate texts, and "messages" where there are conversations."""

    name: str
    kind: Kind
    sources: tuple[Source, ...]
    content_hash: str
    characters: int
    documents: int
    bytes: int
    """Of the text in UTF-8; the files may have more or fewer."""
    character_counts: Mapping[str, int] = field(repr=False)
    notes: tuple[str, ...] = ()
    """Sentences for the user on what was assumed and what was left out."""
    filters: tuple[str, ...] = ()
    """The names of the filters through which it is read."""
    dropped: tuple[Dropped, ...] = ()
    """What they have dropped. All other figures are of what is left."""
    held_out: int | None = None
    """So many documents at the beginning are the validation part. None for a part of each source."""

    def documents_of(self, split: Split) -> Iterator[Document]:
        """The documents of one split. Raises as `split_documents`."""
        return (document for part, document in self.split_documents() if part == split)

    def split_documents(self) -> Iterator[tuple[Split, Document]]:
        """Every document and its split, streamed from the files in one pass.

        The validation part is the last tenth of each plain text, and whole documents from the end of each
        file of records; or the first documents, where so many are `held_out`. Raises CorpusError where a
        file has changed since it was described.
        """
        filters = CorpusFilters(self.filters)
        if self.held_out is None:
            for source in self.sources:
                yield from split_documents(source, filters)
            return
        documents = (document for source in self.sources for document in whole_documents(source, filters))
        for number, document in enumerate(documents):
            yield "validation" if number < self.held_out else "train", document

    @property
    def train_bytes(self) -> int:
        """Of the part to learn from, about."""
        if self.held_out is None:
            return round(0.9 * self.bytes)
        return round(self.bytes * (1 - self.held_out / self.documents))

    def sample(self, sample_bytes: int) -> Iterator[str]:
        """Every n-th stretch of about 16,384 characters of the training part, so that the sample comes from
        all of it. It has about `sample_bytes` bytes."""
        stride = max(1, round(self.train_bytes / sample_bytes))
        position = 0
        for document in self.documents_of("train"):
            for text in document.texts():
                for start in range(0, len(text), _STRETCH):
                    piece = text[start : start + _STRETCH]
                    if position // _STRETCH % stride == 0:
                        yield piece
                    position += len(piece)


def open_corpus(
    paths: Sequence[str | Path], encodings: Sequence[str] = (), filters: Sequence[str] = ()
) -> Corpus:
    """Read and describe files, folders, or standard input ("-"). `encodings` is one name for all files, or
    one for each; without it they are detected. `filters` are names as `parse_filters` gives them.

    Raises UsageError for a path that is not there, CorpusError for text that cannot be used.
    """
    return result_of(scan_corpus(paths, encodings, filters))


def scan_corpus(
    paths: Sequence[str | Path],
    encodings: Sequence[str] = (),
    filters: Sequence[str] = (),
    *,
    guess: bool = True,
) -> Generator[Progress, None, Corpus]:
    """`open_corpus` as a generator that yields its progress and returns the corpus.

    Where two encodings of a file are close, the likelier is taken, and a note names the other. Without
    `guess`, a single file that can be read again raises UnclearEncodingError instead.
    """
    names = [named_encoding(name) for name in encodings]
    chosen = CorpusFilters(filters)
    files, notes = find_source_files(paths)
    guess = guess or len(files) > 1 or not files[0].named or files[0].is_copy
    scans, counts, skipped = yield from _scan_files(files, names, chosen, guess=guess)
    if not scans:
        raise CorpusError(f"No file in '{paths[0]}' can be used: {skipped[0].message}", hint=skipped[0].hint)
    if skipped:
        notes.append(f"{count_files(len(skipped))} skipped. {_join_first([e.message for e in skipped], ' ')}")
    corpus = _describe(_name_of(paths[0]), scans, counts, (*notes, *_notes_on(scans)))
    corpus = _with_filters(corpus, chosen)
    _require_usable(corpus)
    return corpus


def hold_out_first(corpus: Corpus, documents: int) -> Corpus:
    """The same corpus, whose first `documents` documents are its validation part. Raises CorpusError where
    none would be left to learn from."""
    if documents >= corpus.documents:
        raise CorpusError(
            f"'{corpus.name}' has {counted(corpus.documents, 'document')}, and {documents:,} are held out.",
            hint="Hold out fewer: one must be left to learn from.",
        )
    identity = json.dumps([corpus.content_hash, documents])
    content_hash = hashlib.sha256(identity.encode()).hexdigest()
    return replace(corpus, held_out=documents, content_hash=content_hash)


def _scan_files(
    files: Sequence[SourceFile], encodings: Sequence[str], filters: CorpusFilters, *, guess: bool
) -> Generator[Progress, None, tuple[list[FileSummary], np.ndarray, list[CorpusError]]]:
    """Read every file. Returns their summaries, the count of each code point in all of them, and why the
    others were skipped. Raises CorpusError for a file that was named and cannot be used."""
    total = sum(file.size() for file in files)
    scans: list[FileSummary] = []
    skipped: list[CorpusError] = []
    counts = np.zeros(0, dtype=np.int64)
    documents_before = done = 0
    for number, file in enumerate(files):
        mark = filters.mark()
        try:
            encoding = _encoding_for(number, len(files), encodings)
            scan = scan_file(file, documents_before, encoding, guess=guess, filters=filters)
            summary, counts_here = yield from _progress_in_all(scan, done, total)
        except CorpusError as error:
            if file.named:
                raise
            filters.back_to(mark)
            skipped.append(error)
        else:
            scans.append(summary)
            counts = _sum(counts, counts_here)
            documents_before += summary.source.documents if file.format != "text" else 0
        done += file.size()
    return scans, counts, skipped


def _encoding_for(number: int, files: int, names: Sequence[str]) -> str | None:
    """The encoding of the file of that number; None where it is to be detected."""
    if len(set(names)) == 1:
        return names[0]
    return names[number] if len(names) == files else None


def _progress_in_all(
    scan: Generator[int, None, _Result], before: int, total: int
) -> Generator[Progress, None, _Result]:
    """The bytes read of one file as progress in all files; `before` bytes are in those already read."""
    return convert_yields(scan, lambda read: Progress("reading", min(before + read, total), total, "bytes"))


def _describe(name: str, scans: list[FileSummary], counts: np.ndarray, notes: tuple[str, ...]) -> Corpus:
    sources = tuple(scanned.source for scanned in scans)
    kind: Kind = "text"
    if any(source.format != "text" for source in sources):
        kind = "messages" if any(scanned.has_messages for scanned in scans) else "documents"
    parts = [(scanned.source.format, scanned.source.train_units, scanned.digest) for scanned in scans]
    return Corpus(
        name=name,
        kind=kind,
        sources=sources,
        content_hash=hashlib.sha256(json.dumps([kind, parts]).encode()).hexdigest(),
        characters=sum(source.characters for source in sources),
        documents=sum(source.documents for source in sources),
        bytes=sum(scanned.text_bytes for scanned in scans),
        character_counts=MappingProxyType({chr(code): int(counts[code]) for code in np.flatnonzero(counts)}),
        notes=notes,
    )


def _with_filters(corpus: Corpus, filters: CorpusFilters) -> Corpus:
    """`corpus` with what its `filters` have dropped. Raises CorpusError where they left nothing."""
    notes = corpus.notes
    if filters.dropped:
        note = f"The filters dropped {dropped_in_words(filters.dropped, corpus.characters)}."
        if not corpus.characters:
            raise CorpusError(note, hint="Choose fewer filters, or wider ones.", field="filters")
        notes = (*notes, note)
    return replace(corpus, notes=notes, filters=filters.names, dropped=filters.dropped)


def _notes_on(scans: list[FileSummary]) -> Iterator[str]:
    if assumptions := [scanned.assumption for scanned in scans if scanned.assumption]:
        yield f"{_join_first(assumptions, ' ')} Where that is wrong, name the encoding: {{encoding=NAME}}"
    if converted := [f"'{scanned.label}'" for scanned in scans if scanned.converted_line_ends]:
        yield f"Line ends of other systems (\\r\\n or \\r) are read as \\n in {_join_first(converted, ', ')}."
    if broken := [scanned.broken for scanned in scans if scanned.broken]:
        yield _join_first(broken, " ")
    if remarks := [scanned.remarks for scanned in scans if scanned.remarks]:
        yield _join_first(remarks, " ")


def _require_usable(corpus: Corpus) -> None:
    hint = "A model needs at least a few thousand characters of varied text."
    if corpus.characters == 1:
        raise CorpusError("The text is a single character.", hint=hint)
    if len(corpus.character_counts) == 1:
        character = next(iter(corpus.character_counts))
        raise CorpusError(f"The text is one character repeated, {character!a}.", hint=hint)
    if not any(character.strip() for character in corpus.character_counts):
        raise CorpusError("The text is white space only.", hint=hint)
    if corpus.kind != "text" and corpus.documents == 1:
        raise CorpusError(
            "There is only one document, so none is left to measure on.",
            hint="Give several documents, or one long text as a .txt file.",
        )


def _name_of(path: str | Path) -> str:
    if str(path) == "-":
        return "stdin"
    resolved = Path(os.path.abspath(os.path.expanduser(path)))  # a link keeps its own name
    name = without_packing(resolved)
    return (name.name if resolved.is_dir() else name.stem) or "corpus"


def _sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of two arrays of counts, as long as the longer one."""
    total = np.zeros(max(len(a), len(b)), dtype=np.int64)
    total[: len(a)] += a
    total[: len(b)] += b
    return total


def _join_first(items: list[str], separator: str) -> str:
    more = len(items) - _NAMED_AT_MOST
    return separator.join(items[:_NAMED_AT_MOST]) + (f"{separator}… and {more} more" if more > 0 else "")
