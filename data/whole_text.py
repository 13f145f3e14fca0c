"""A text held in memory at once, read as a corpus is: its encoding detected, its packing undone."""

from collections.abc import Iterator
from pathlib import Path

from data.corpus import Corpus, scan_corpus
from data.errors import CorpusError
from data.progress import result_of
from data.wording import byte_size

MAX_BYTES = 64 * 2**20


def whole_text(
    path: str | Path, encoding: str | None = None, *, guess: bool = True
) -> tuple[str, tuple[str, ...]]:
    """The text at `path` and the notes on reading it. "-" is standard input.

    Raises UsageError and CorpusError as `scan_corpus`, CorpusError also for more than MAX_BYTES.
    """
    corpus = result_of(scan_corpus([path], () if encoding is None else (encoding,), guess=guess))
    if corpus.bytes > MAX_BYTES:
        raise CorpusError(
            f"'{corpus.name}' is too large to be read at once ({byte_size(corpus.bytes)}).",
            hint=f"Give a part of it, {byte_size(MAX_BYTES)} at most.",
        )
    return beginning_of(corpus, MAX_BYTES), corpus.notes


def beginning_of(corpus: Corpus, characters: int) -> str:
    """The first characters of a corpus. Separate texts and messages each end a line."""
    pieces: list[str] = []
    length = 0
    for piece in _pieces_of(corpus):
        pieces.append(piece)
        length += len(piece)
        if length >= characters:
            break
    return "".join(pieces)[:characters]


def _pieces_of(corpus: Corpus) -> Iterator[str]:
    for _, document in corpus.split_documents():
        yield from document.pieces or ()
        for message in document.messages or ():
            yield f"{message.content}\n"
        if corpus.kind != "text" and document.messages is None:
            yield "\n"
