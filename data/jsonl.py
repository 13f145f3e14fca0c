"""JSON records to documents. A broken record is reported by its line, and the rest goes on."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.document import Message
from data.json_values import Broken, json_values, may_be_cut
from data.records import UnusableRecordError, has_known_columns, read_record

RECORD_FORMATS = (
    '{"text": …}, {"prompt": …, "completion": …}, {"messages": [{"role": …, "content": …}]} or the like'
)
MAX_RECORD_CHARACTERS = 2**25
_BEGINS_RECORD = re.compile(
    r'\{\s*"(?:text|messages|conversations?|prompt|instruction|question|query|problem)"\s*:'
)
_BEGINS_OBJECT = re.compile(r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:')


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record that holds no document, and the line it begins on. Lines count from 1."""

    line: int
    reason: str


def read_records(
    pieces: Iterable[str], left_out: Counter[str] | None = None
) -> Iterator[str | tuple[Message, ...] | BrokenRecord]:
    """What each record holds: a text, the messages of a conversation, or why neither.

    Records follow each other or stand in arrays, each on one line or on several. `pieces` are cut anywhere.
    What is left out of conversations is counted in `left_out` as `read_record` does.
    """
    return documents_in(json_values(pieces, MAX_RECORD_CHARACTERS), left_out)


def documents_in(
    records: Iterable[tuple[int, object]], left_out: Counter[str] | None = None
) -> Iterator[str | tuple[Message, ...] | BrokenRecord]:
    """As `read_records`, of records with their lines. What is no object, or Broken, is a BrokenRecord."""
    for line, value in records:
        if isinstance(value, Broken):
            yield BrokenRecord(line, value.reason)
        elif not isinstance(value, dict):
            yield BrokenRecord(line, "not a JSON object")
        else:
            try:
                yield read_record(value, left_out)
            except UnusableRecordError as error:
                yield BrokenRecord(line, error.reason)


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
    return has_known_columns(value)
