"""A corpus before it has a tokenizer: which one suits it, how much of it repeats, and how it begins."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from data.corpus import Corpus
from data.progress import Progress
from data.tokenizer import suggest_tokenizer
from data.whole_text import beginning_of

BEGINNING = 1000
"""Characters of the text that are shown."""
MAX_COMPARED = 8 * 2**20
"""Characters that are looked through for repetition: the first of the corpus."""
_MIN_COMPARED = 20
"""Characters of a line or a document below which it is no repetition worth telling: "Yes." and the like."""
_LONGEST_LINE = 2**20
"""Characters of a text without line ends that are one line."""
_PROGRESS_EVERY = 2**18


@dataclass(frozen=True, slots=True)
class CorpusPreview:
    """A look at a corpus."""

    name: str
    files: int
    characters: int
    documents: int
    """0 where the files are long texts and no documents."""
    encodings: tuple[str, ...]
    """Of the files, each once."""
    tokenizer: str
    """The kind that suits the text: character or bpe."""
    vocab_size: int
    reason: str
    """Why that tokenizer suits it."""
    repeated_share: float
    """The part of the compared characters that is in lines, or in whole documents, that came before."""
    compared_characters: int
    beginning: str
    notes: tuple[str, ...]


def preview_corpus(corpus: Corpus) -> Generator[Progress, None, CorpusPreview]:
    """Look through the beginning of `corpus`. Raises CorpusError where a file changed since it was read."""
    repeated, compared = yield from _repetition(corpus)
    kind, vocab_size, reason = suggest_tokenizer(corpus)
    return CorpusPreview(
        name=corpus.name,
        files=len(corpus.sources),
        characters=corpus.characters,
        documents=0 if corpus.kind == "text" else corpus.documents,
        encodings=tuple(dict.fromkeys(source.encoding.name for source in corpus.sources)),
        tokenizer=kind,
        vocab_size=vocab_size,
        reason=reason,
        repeated_share=repeated / max(1, compared),
        compared_characters=compared,
        beginning=_beginning(corpus),
        notes=corpus.notes,
    )


def _beginning(corpus: Corpus) -> str:
    """The first lines of a corpus, and an ellipsis where there is more."""
    text = beginning_of(corpus, BEGINNING)
    return f"{text} …" if corpus.characters > len(text) else text


def _repetition(corpus: Corpus) -> Generator[Progress, None, tuple[int, int]]:
    """The characters that repeat what came before, and those that were compared."""
    seen: set[int] = set()
    repeated = compared = reported = 0
    for unit in _units(corpus):
        compared += len(unit)
        if len(unit) >= _MIN_COMPARED:
            key = hash(unit)
            if key in seen:
                repeated += len(unit)
            seen.add(key)
        if compared - reported >= _PROGRESS_EVERY:
            reported = compared
            yield Progress("comparing", compared, min(corpus.characters, MAX_COMPARED), "characters")
        if compared >= MAX_COMPARED:
            break
    return repeated, compared


def _units(corpus: Corpus) -> Iterator[str]:
    """The lines of long texts, without the white space around them; of other corpora the documents."""
    if corpus.kind == "text":
        yield from map(str.strip, _lines(corpus))
        return
    for _, document in corpus.split_documents():
        yield "\n".join(document.texts())


def _lines(corpus: Corpus) -> Iterator[str]:
    """The lines of each file. The split into what is learned and what is held out cuts none."""
    rest = ""
    for split, document in corpus.split_documents():
        if split == "train":
            yield rest
            rest = ""
        for piece in document.pieces or ():
            *lines, rest = (rest + piece).split("\n")
            yield from lines
            if len(rest) >= _LONGEST_LINE:
                yield rest
                rest = ""
    yield rest
