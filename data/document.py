"""A document of a corpus: running text, or the messages of a conversation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation"]
"""The part of a corpus: to learn from, or to measure on."""
ROLES = ("system", "user", "assistant")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `role` is one of ROLES."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """Either `pieces` of text or `messages`.

    A document can be a file of a gigabyte, so its text comes in pieces that are cut anywhere. `pieces` can be
    read once, and must be read before the next document of the corpus.
    """

    pieces: Iterator[str] | None = None
    messages: tuple[Message, ...] | None = None

    def texts(self) -> Iterator[str]:
        """The pieces, or what each message says."""
        if self.pieces is not None:
            return self.pieces
        return (message.content for message in self.messages or ())


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair. A terminal or an escape in JSON can contain
    one, and it cannot be written in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text
