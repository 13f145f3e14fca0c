"""What a model is given to continue: one text, or a conversation cut to its context. Torch-free."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.document import Message, without_surrogates

if TYPE_CHECKING:
    from data.tokenizer import Tokenizer

Kind = str
"""text, documents or messages: what a model was trained on.

One trained on messages answers in turns, the others continue text.
"""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids for `generate`, and what they hold of the conversation."""

    ids: list[int]

    dropped: int
    """Turns that are no longer in the context, or only in part: the oldest."""


def unknown_characters(tokenizer: Tokenizer, text: str) -> str:
    """The distinct characters of `text` that are not in the vocabulary, in order of appearance."""
    distinct = "".join(dict.fromkeys(without_surrogates(text)))
    if tokenizer.kind != "character":
        return ""
    return "".join(
        character
        for character, token in zip(distinct, tokenizer.encode(distinct), strict=True)
        if int(token) == tokenizer.unk_id
    )


def single_prompt(tokenizer: Tokenizer, kind: Kind, text: str, room: int | None = None) -> Prompt:
    """`text` as a model of this kind met it in training: as it is, as the beginning of a document,
    or as the first message of a user. What is beyond `room` tokens goes from its beginning."""
    turns = [Message("user", text)]
    return conversation_prompt(tokenizer, kind, "", turns, sys.maxsize if room is None else room)


def conversation_prompt(
    tokenizer: Tokenizer, kind: Kind, system: str, turns: Sequence[Message], room: int
) -> Prompt:
    """What to continue after `turns`, in at most `room` tokens, the oldest turns dropped first.

    A last turn of the assistant is gone on with; otherwise an answer is begun.
    """
    if kind == "messages":
        return _chat_prompt(tokenizer, system, turns, max(1, room))
    return _text_prompt(tokenizer, kind, turns, max(1, room))


def joined_text(turns: Sequence[Message]) -> str:
    """The turns of a text model as the one text they are. A message begins on a line of its own."""
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
    """The end of the text, cut at a token and not at a turn: a text model has no use for turns."""
    ids = [tokenizer.bos_id] * (kind == "documents") + _ids(tokenizer, joined_text(turns))
    if len(ids) <= room:
        return Prompt(ids, 0)
    kept = ids[-room:]
    whole, held = 0, 0
    for piece in reversed(_text_pieces(turns)):
        held += len(_ids(tokenizer, piece))
        if held > room:
            break
        whole += 1
    return Prompt(kept, len(turns) - whole)


def _chat_prompt(tokenizer: Tokenizer, system: str, turns: Sequence[Message], room: int) -> Prompt:
    """System message first and always; then as many of the newest turns as there is room for."""
    if not turns or turns[-1].role != "assistant":
        turns = [*turns, Message("assistant", "")]
        begun = 1
    else:
        begun = 0
    before = [Message("system", system)] if system else []
    first = len(turns) - 1
    while first > 0 and len(_chat_ids(tokenizer, [*before, *turns[first - 1 :]])) <= room:
        first -= 1
    # An answer without its question says little: begin with a message of the user.
    while first < len(turns) - 1 and first > 0 and turns[first].role == "assistant":
        first += 1
    if first == len(turns) - 1 and first > 0:
        first -= 1  # the question itself stays, whatever it takes; its beginning goes instead
    ids = _chat_ids(tokenizer, [*before, *turns[first:]])
    if len(ids) <= room:
        return Prompt(ids, first)
    # The beginning of the oldest turn goes; what is left of it still says whose it is.
    head = _chat_ids(tokenizer, before, open_end=False) if before else [tokenizer.bos_id]
    left = room - len(head) - 1
    if left < 1:
        return Prompt(ids[-room:], len(turns) - begun)
    inside_last = left < len(_chat_ids(tokenizer, turns[-1:])) - 1
    speaker = turns[-1 if inside_last else first].role
    dropped = len(turns) - begun if inside_last else min(first + 1, len(turns) - begun)
    return Prompt([*head, tokenizer.role_ids[speaker], *ids[-left:]], dropped)


def _chat_ids(tokenizer: Tokenizer, messages: Sequence[Message], *, open_end: bool = True) -> list[int]:
    """As in training: bos, then role, content and eos of each; with `open_end` the last goes on."""
    messages = [Message(message.role, without_surrogates(message.content)) for message in messages]
    ids = [int(token) for token in tokenizer.encode_chat(messages)]
    return ids[:-1] if open_end else ids


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return [int(token) for token in tokenizer.encode(without_surrogates(text))]
