"""Token ids of a prompt: one text, or a conversation cut to the context. Torch-free."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.document import Message, without_surrogates

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer

Kind = str
"""What a model was trained on: text, documents, messages or problems.

A model of messages answers in turns; the others continue text. Each problem stands alone.
"""


_LONGEST_RUN_OF_MARKS = 30
_MARKS_IN_PARTS = "\u0f73\u0f75\u0f81"
"""The characters that are no combining marks themselves and decompose into some."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids for `generate`."""

    ids: list[int]

    dropped: int
    """How many of the oldest turns are missing or cut."""


def familiar_form(tokenizer: Tokenizer, text: str) -> str:
    """`text` without surrogates, its accents composed or decomposed as the vocabulary has them.

    Systems differ: one types é as one character, another as e and a combining accent.
    """
    text = without_surrogates(text)
    if text.isascii() or _has_long_run_of_marks(text):
        return text
    forms = (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    if tokenizer.kind == "character":
        return min(forms, key=lambda form: int((tokenizer.encode(form) == tokenizer.unk_id).sum()))
    return min(forms, key=lambda form: len(tokenizer.encode(form)))


def _has_long_run_of_marks(text: str) -> bool:
    """Whether a run of combining marks is longer than any language has (Unicode's Stream-Safe Text Format).

    To normalise one takes time quadratic in its length, and no other thread runs meanwhile.
    """
    run = 0
    for character in text:
        is_mark = unicodedata.combining(character) or character in _MARKS_IN_PARTS
        run = run + 1 if is_mark else 0
        if run > _LONGEST_RUN_OF_MARKS:
            return True
    return False


def unknown_characters(tokenizer: Tokenizer, text: str) -> str:
    """The distinct characters of `text` that are not in the vocabulary, in their order."""
    distinct = "".join(dict.fromkeys(familiar_form(tokenizer, text)))
    if tokenizer.kind != "character":
        return ""
    return "".join(
        character
        for character, token in zip(distinct, tokenizer.encode(distinct), strict=True)
        if int(token) == tokenizer.unk_id
    )


def unknown_note(characters: str) -> str:
    """A note for the user on characters that are not in the vocabulary."""
    listed = ", ".join(map(_character_words, characters[:8]))
    more = " …" if len(characters) > 8 else ""
    one = len(characters) == 1
    return (
        f"{listed}{more} {'was' if one else 'were'} not in the training text; "
        f"{'it is' if one else 'they are'} read as unknown."
    )


def _character_words(character: str) -> str:
    """'ï' (U+00EF). A character that does not show has its name instead, such as U+200D ZERO WIDTH JOINER."""
    code = f"U+{ord(character):04X}"
    if character.isprintable() and not unicodedata.combining(character):
        return f"'{character}' ({code})"
    return f"{code} {unicodedata.name(character, '')}".rstrip()


def prompt_of_text(tokenizer: Tokenizer, kind: Kind, text: str, room: int | None = None) -> Prompt:
    """A prompt in the form of the training data: plain text, the start of a document, or the first
    message of a user. A text longer than `room` tokens is cut at its start."""
    turns = [Message("user", text)]
    return conversation_prompt(tokenizer, kind, "", turns, sys.maxsize if room is None else room)


def conversation_prompt(
    tokenizer: Tokenizer, kind: Kind, system: str, turns: Sequence[Message], room: int
) -> Prompt:
    """The newest of `turns` as a prompt of at most `room` tokens.

    If the last turn is the assistant's, the model continues it; otherwise it begins an answer.
    """
    if kind == "messages":
        return _chat_prompt(tokenizer, system, turns, max(1, room))
    if kind == "problems":
        asked = (number for number, turn in enumerate(turns) if turn.role == "user")
        turns = turns[max(asked, default=0) :]
    return _text_prompt(tokenizer, kind, turns, max(1, room))


def room_for_prompt(kind: Kind, context_length: int, max_tokens: int | None) -> int:
    """The tokens of the context that a conversation may take, so that the answer has room too.

    Conversations leave more room: when the context overflows, turns lose their roles. The context of
    problems is that of the longest one and its answer.
    """
    share = 0 if kind == "problems" else context_length // (2 if kind == "messages" else 4)
    return context_length - min(max_tokens or context_length, share)


def text_of_turns(turns: Sequence[Message]) -> str:
    """The turns of a text model joined. Each message starts on a new line."""
    return "".join(_text_pieces(turns))


def _text_pieces(turns: Sequence[Message]) -> list[str]:
    pieces: list[str] = []
    last = ""
    for turn in turns:
        break_line = turn.role == "user" and last not in ("", "\n")
        pieces.append("\n" * break_line + turn.content)
        last = pieces[-1][-1:] or last
    return pieces


def _text_prompt(tokenizer: Tokenizer, kind: Kind, turns: Sequence[Message], room: int) -> Prompt:
    """The last `room` tokens of the text. It may be cut inside a turn."""
    ids = [tokenizer.bos_id] * (kind in ("documents", "problems")) + _ids(tokenizer, text_of_turns(turns))
    if len(ids) <= room:
        return Prompt(ids, 0)
    whole, used = 0, 0
    for piece in reversed(_text_pieces(turns)):
        used += len(_ids(tokenizer, piece))
        if used > room:
            break
        whole += 1
    return Prompt(ids[-room:], len(turns) - whole)


def _chat_prompt(tokenizer: Tokenizer, system: str, turns: Sequence[Message], room: int) -> Prompt:
    """The system message, then as many of the newest turns as fit in `room` tokens."""
    if not turns or turns[-1].role != "assistant":
        turns = [*turns, Message("assistant", "")]
        added = 1
    else:
        added = 0
    before = [Message("system", system)] if system else []
    first = _first_turn(tokenizer, before, turns, room)
    ids = _chat_ids(tokenizer, [*before, *turns[first:]])
    if len(ids) <= room:
        return Prompt(ids, first)
    # Cut the start of the oldest turn and keep its role token.
    head = _chat_ids(tokenizer, before, open_end=False) if before else [tokenizer.bos_id]
    left = room - len(head) - 1
    if left < 1:
        return Prompt(ids[-room:], len(turns) - added)
    inside_last = left < len(_chat_ids(tokenizer, turns[-1:])) - 1
    role = turns[-1 if inside_last else first].role
    dropped = len(turns) - added if inside_last else min(first + 1, len(turns) - added)
    return Prompt([*head, tokenizer.role_ids[role], *ids[-left:]], dropped)


def _first_turn(tokenizer: Tokenizer, before: Sequence[Message], turns: Sequence[Message], room: int) -> int:
    """The oldest turn that stays, so that it and the newer ones fit in `room` tokens after `before`. They may
    take more where even the last answer and its question do."""
    first = len(turns) - 1
    used = len(_chat_ids(tokenizer, [*before, turns[-1]]))
    while first > 0:
        used += len(_ids(tokenizer, turns[first - 1].content)) + 2  # with its role and its end
        if used > room:
            break
        first -= 1
    # An answer makes little sense without its question, so begin with a message of the user.
    while first < len(turns) - 1 and first > 0 and turns[first].role == "assistant":
        first += 1
    if first == len(turns) - 1 and first > 0:
        first -= 1  # keep the question; it is cut at its start instead
    return first


def _chat_ids(tokenizer: Tokenizer, messages: Sequence[Message], *, open_end: bool = True) -> list[int]:
    """As in training: bos, then role, content and eos of each; `open_end` leaves out the last eos."""
    messages = [Message(message.role, familiar_form(tokenizer, message.content)) for message in messages]
    ids = [int(token) for token in tokenizer.encode_chat(messages)]
    return ids[:-1] if open_end else ids


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return [int(token) for token in tokenizer.encode(familiar_form(tokenizer, text))]
