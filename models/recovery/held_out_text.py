"""The validation part of a corpus, of a long one stretches from all over it: as text, or as tokens."""

from collections.abc import Iterator

import numpy as np

from data.corpus import Corpus
from data.document import Message
from data.tokenizer import Tokenizer

_MAX_CHARACTERS = 200_000
_STRETCH = 8_000  # characters: many contexts long, so that few contexts begin in the middle of a text

_Stretch = str | tuple[Message, ...]


def held_out_text(corpus: Corpus) -> Iterator[str]:
    """The stretches as text."""
    for stretch in _chosen_stretches(corpus):
        yield stretch if isinstance(stretch, str) else "".join(message.content for message in stretch)


def held_out_tokens(corpus: Corpus, tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """The stretches as tokens, arranged as in training."""
    for stretch in _chosen_stretches(corpus):
        if not isinstance(stretch, str):
            yield tokenizer.encode_chat(stretch)
        else:
            yield tokenizer.encode(stretch) if corpus.kind == "text" else tokenizer.encode_document(stretch)


def _chosen_stretches(corpus: Corpus) -> list[_Stretch]:
    """Every n-th stretch, with n so large that they have at most so many characters in all.

    The number of stretches is known only at the end, so n doubles whenever there are too many.
    """
    chosen: list[tuple[int, _Stretch]] = []
    size, every = 0, 1
    for number, (length, stretch) in enumerate(_stretches(corpus)):
        if number % every:
            continue
        chosen.append((length, stretch))
        size += length
        while size > _MAX_CHARACTERS and len(chosen) > 1:
            chosen, every = chosen[::2], 2 * every
            size = sum(length for length, _ in chosen)
    return [stretch for _, stretch in chosen]


def _stretches(corpus: Corpus) -> Iterator[tuple[int, _Stretch]]:
    """Pieces of documents and whole conversations, each with its length in characters."""
    for document in corpus.documents_of("validation"):
        if document.messages is not None:
            yield sum(len(message.content) for message in document.messages), document.messages
            continue
        rest = ""
        for piece in document.pieces or ():
            rest += piece
            whole = len(rest) // _STRETCH * _STRETCH
            for start in range(0, whole, _STRETCH):
                yield _STRETCH, rest[start : start + _STRETCH]
            rest = rest[whole:]
        if rest:
            yield len(rest), rest
