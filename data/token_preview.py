"""A corpus as a model will see it: its two parts, its roles, and the first documents as tokens."""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from data.corpus import Corpus
from data.document import ROLES, Document, Split
from data.prepare import segments
from data.progress import Progress
from data.tokenizer import SPECIAL_TOKENS, Tokenizer

SHOWN_CHARACTERS = 400
"""Of each document that is shown."""
_PROGRESS_EVERY = 2**20
_MEASURED = 2**18


@dataclass(frozen=True, slots=True)
class Token:
    id: int
    text: str
    """Bytes that are no whole character are written as \\xNN."""
    is_control: bool


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """The beginning of a document. For long texts, it is one file's part to learn from or to measure on."""

    split: Split
    tokens: tuple[Token, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class SplitSize:
    documents: int
    characters: int


@dataclass(frozen=True, slots=True)
class TokenPreview:
    splits: dict[Split, SplitSize]
    roles: dict[str, int]
    """How many messages of conversations there are of each role; empty where there are none."""
    shown: tuple[ShownDocument, ...]
    characters_per_token: float
    """Of the part to learn from, without control tokens."""


def preview_tokens(
    corpus: Corpus, tokenizer: Tokenizer, documents: int
) -> Generator[Progress, None, TokenPreview]:
    """Count the parts of a corpus, and encode the beginnings of its first `documents`.

    Raises CorpusError where a file changed since it was read.
    """
    sizes: dict[Split, list[int]] = {"train": [0, 0], "validation": [0, 0]}
    roles: Counter[str] = Counter()
    shown: list[ShownDocument] = []
    done = reported = 0
    for split, document in corpus.split_documents():
        pieces = _Counted(document)
        if len(shown) < documents:
            is_first = not any(one.split == split for one in shown)
            shown.append(_beginning(split, pieces.document, corpus, tokenizer, is_first))
        roles.update(message.role for message in document.messages or ())
        sizes[split][0] += 1
        for _ in pieces.rest():
            if done + pieces.characters - reported >= _PROGRESS_EVERY:
                reported = done + pieces.characters
                yield Progress("counting", reported, corpus.characters, "characters")
        sizes[split][1] += pieces.characters
        done += pieces.characters
    return TokenPreview(
        splits={split: SplitSize(*size) for split, size in sizes.items()},
        roles={role: roles[role] for role in ROLES if roles[role]},
        shown=tuple(shown),
        characters_per_token=characters_per_token(corpus, tokenizer, "train"),
    )


def characters_per_token(corpus: Corpus, tokenizer: Tokenizer, split: Split) -> float:
    """How much a token of text holds on average: of the first 262,144 characters of that part."""
    characters = tokens = 0
    for document in corpus.documents_of(split):
        for text in document.texts():
            cut = text[: _MEASURED - characters]
            characters += len(cut)
            tokens += len(tokenizer.encode(cut))
            if characters >= _MEASURED:
                return characters / max(1, tokens)
    return characters / max(1, tokens)


class _Counted:
    """A document whose characters are counted, whoever reads them."""

    def __init__(self, document: Document) -> None:
        self.characters = sum(len(message.content) for message in document.messages or ())
        self._pieces = iter(document.pieces or ())
        self.document = document
        if document.pieces is not None:
            self.document = Document(pieces=self.rest())

    def rest(self) -> Iterator[str]:
        """The pieces that nobody has read yet."""
        for piece in self._pieces:
            self.characters += len(piece)
            yield piece


def _beginning(
    split: Split, document: Document, corpus: Corpus, tokenizer: Tokenizer, is_first: bool
) -> ShownDocument:
    tokens: list[Token] = []
    left = SHOWN_CHARACTERS
    for segment in segments(document, tokenizer, corpus.kind, is_first=is_first):
        if left <= 0:
            return ShownDocument(split, tuple(tokens), is_whole=False)
        if isinstance(segment, int):
            tokens.append(Token(segment, SPECIAL_TOKENS[segment], True))
            continue
        ids = tokenizer.encode(segment[: 4 * left]).tolist()
        for index in ids:
            if left <= 0:
                return ShownDocument(split, tuple(tokens), is_whole=False)
            tokens.append(Token(index, tokenizer.token_text(index), False))
            left -= len(tokens[-1].text)
    return ShownDocument(split, tuple(tokens), is_whole=True)
