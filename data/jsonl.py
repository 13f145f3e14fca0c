"""JSON Lines to documents. A broken line is reported by number, and the rest goes on."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.document import ROLES, Message, without_surrogates
from data.safe_text import safe_text

LINE_FORMATS = '{"text": …}, {"prompt": …, "completion": …} or {"messages": [{"role": …, "content": …}]}'
MAX_LINE_CHARACTERS = 2**25


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that holds no document. Lines count from 1."""

    number: int
    reason: str


def read_records(pieces: Iterable[str]) -> Iterator[str | tuple[Message, ...] | BrokenLine]:
    """What each line holds: a text, the messages of a conversation, or why neither.

    Empty lines are passed over. `pieces` are cut anywhere.
    """
    for number, line in enumerate(_lines(pieces), start=1):
        if line is None:
            yield BrokenLine(number, f"longer than {MAX_LINE_CHARACTERS >> 20} million characters")
        elif line.strip() not in ("", "[", "]", "],"):  # brackets of an array with a record a line
            try:
                yield _record(line)
            except _UnusableError as error:
                yield BrokenLine(number, str(error))


class _UnusableError(Exception):
    pass


def _lines(pieces: Iterable[str]) -> Iterator[str | None]:
    """The lines of a text, None for one too long to be held."""
    held: list[str] = []
    length = 0
    for piece in pieces:
        *complete, rest = piece.split("\n")
        for part in complete:
            length += len(part)
            yield "".join((*held, part)) if length <= MAX_LINE_CHARACTERS else None
            held, length = [], 0
        length += len(rest)
        held = [*held, rest] if length <= MAX_LINE_CHARACTERS else []
    if length:
        yield "".join(held) if length <= MAX_LINE_CHARACTERS else None


def _parsed(line: str) -> object:
    """The value of a line, which may be one record of an array. Raises ValueError, RecursionError."""
    try:
        return json.loads(line)
    except ValueError:
        return json.loads(line.strip().removeprefix("[").removesuffix("]").rstrip().removesuffix(","))


def _record(line: str) -> str | tuple[Message, ...]:
    try:
        content = _parsed(line)
    except (ValueError, RecursionError):
        raise _UnusableError("not JSON") from None
    if not isinstance(content, dict):
        raise _UnusableError("not a JSON object")
    content = {key: value for key, value in content.items() if value is not None}
    if "messages" in content:
        return _messages(content["messages"])
    if "text" in content:
        text = _text(content["text"], "text")
        if not text:
            raise _UnusableError("'text' is empty")
        return text
    if "prompt" in content and "completion" in content:
        return (
            Message("user", _text(content["prompt"], "prompt")),
            Message("assistant", _text(content["completion"], "completion")),
        )
    raise _UnusableError("no 'text', no 'messages', no 'prompt' with 'completion'")


def _messages(content: object) -> tuple[Message, ...]:
    if not isinstance(content, list) or not content:
        raise _UnusableError("'messages' is not a list of messages")
    messages = []
    for item in content:
        if not isinstance(item, dict):
            raise _UnusableError("a message is not an object")
        role = item.get("role")
        if role not in ROLES:
            shown = safe_text(str(role))[:40]
            raise _UnusableError(f"the role '{shown}' is not one of {', '.join(ROLES)}")
        messages.append(Message(role, _text(item.get("content"), "content")))
    return tuple(messages)


def _text(content: object, key: str) -> str:
    if not isinstance(content, str):
        raise _UnusableError(f"'{key}' is not a text")
    return without_surrogates(content)
