"""What a corpus is made of: a document is running text, or the messages of a conversation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

ROLES = ("system", "user", "assistant")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `role` is one of ROLES."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """Either `pieces`, text to be read once and in order, or `messages`.

    A document can be a file of a gigabyte, so its text comes in pieces that are cut anywhere;
    `pieces` must be used up before the next document is asked for.
    """

    pieces: Iterator[str] | None = None
    messages: tuple[Message, ...] | None = None


def without_surrogates(text: str) -> str:
    """The text with halves of surrogate pairs as U+FFFD: they are no characters and have no
    UTF-8, but a terminal or a JSON escape can bring them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text
