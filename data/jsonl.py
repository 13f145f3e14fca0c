"""JSON records to documents. A broken record is reported by its line, and the rest goes on."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.document import ROLES, Message, without_surrogates
from data.json_values import Broken, json_values, may_be_cut
from data.safe_text import safe_text

RECORD_FORMATS = '{"text": …}, {"prompt": …, "completion": …} or {"messages": [{"role": …, "content": …}]}'
MAX_RECORD_CHARACTERS = 2**25
_KEYS = ({"text"}, {"messages"}, {"prompt", "completion"})
_BEGINS_RECORD = re.compile(r'\{\s*"(?:text|messages|prompt)"\s*:')
_BEGINS_OBJECT = re.compile(r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:')


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record that holds no document, and the line it begins on. Lines count from 1."""

    line: int
    reason: str


def read_records(pieces: Iterable[str]) -> Iterator[str | tuple[Message, ...] | BrokenRecord]:
    """What each record holds: a text, the messages of a conversation, or why neither.

    Records follow each other or stand in arrays, each on one line or on several. `pieces` are cut anywhere.
    """
    for line, value in json_values(pieces, MAX_RECORD_CHARACTERS):
        if isinstance(value, Broken):
            yield BrokenRecord(line, value.reason)
        else:
            try:
                yield _record(value)
            except _UnusableError as error:
                yield BrokenRecord(line, str(error))


def begins_with_record(head: str, *, is_whole: bool) -> bool:
    """Whether a text begins as records do: with a JSON object on one line, or with one that has their keys.

    `head` may be cut anywhere unless it `is_whole`. An object that is cut by its end may have any keys.
    """
    start = head.removeprefix("\ufeff").lstrip().removeprefix("[").lstrip()
    if not start.startswith("{"):
        return False
    try:
        value, end = json.JSONDecoder().raw_decode(start)
    except json.JSONDecodeError as error:
        begins = _BEGINS_OBJECT if may_be_cut(error) and not is_whole else _BEGINS_RECORD
        return begins.match(start) is not None
    except (ValueError, RecursionError):
        return _BEGINS_RECORD.match(start) is not None
    if "\n" not in start[:end]:
        return start[end:].lstrip(" \t\r,]\ufeff")[:1] in ("", "\n", "{")
    return any(keys <= set(value) for keys in _KEYS)


class _UnusableError(Exception):
    pass


def _record(content: object) -> str | tuple[Message, ...]:
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
