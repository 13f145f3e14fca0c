"""From the row of a table to a document: one column, several, or a template."""

import json
import math
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from data.document import Message, without_surrogates
from data.errors import CorpusError, UsageError
from data.records import fits_columns, named_columns
from data.safe_text import safe_text

_LOOKED_AT = 100
"""Rows after which a column that none of them has is missing."""
_NAMED_AT_MOST = 12
Reader = Callable[[Mapping[str, object]], str | tuple[Message, ...]]


class UnusableRowError(Exception):
    """A row that gives no document. `reason` is a name to count it by."""

    def __init__(self, reason: str, characters: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.characters = characters
        """Of the texts in it that are lost with it."""


def parse_template(template: str, label: str) -> list[tuple[str, str | None]]:
    """A template as texts, each with the name of the column that follows it, or None.

    `{{` and `}}` are braces. Raises UsageError for another form.
    """
    hint = 'Write column names in braces: "Q: {question}\\nA: {answer}". A brace itself is {{ or }}.'
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError:
        raise UsageError(f"The template of {label} has a single brace.", hint=hint) from None
    for _, name, format_spec, conversion in parsed:
        if name == "" or format_spec or conversion:
            shown = safe_text(f"{name or ''}{'!' + conversion if conversion else ''}{format_spec or ''}")
            raise UsageError(f"The template of {label} has '{{{shown}}}', which is no column.", hint=hint)
    if not any(name for _, name, _, _ in parsed):
        raise UsageError(f"The template of {label} names no column.", hint=hint)
    return [(text, name) for text, name, _, _ in parsed]


@dataclass(slots=True)
class RowReader:
    """Makes documents of the rows of one source, by `template`, by `columns`, or by `read_record` where it
    has neither."""

    label: str
    columns: Sequence[str]
    template: str | None
    read_record: Reader
    _parts: list[tuple[str, str | None]] = field(init=False, default_factory=list)
    _needed: tuple[str, ...] = field(init=False, default=())
    _rows: int = field(init=False, default=0)
    _missing: Counter[str] = field(init=False, default_factory=Counter)
    _texts: set[str] = field(init=False, default_factory=set)
    """The columns that had a text in some row."""

    def __post_init__(self) -> None:
        if self.template is not None:
            self._parts = parse_template(self.template, self.label)
        else:
            for number, name in enumerate(self.columns):
                self._parts.append(("\n\n" if number else "", name))
        self._needed = tuple(dict.fromkeys(name for _, name in self._parts if name is not None))

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a document is made of; empty where `read_record` finds them."""
        return self._needed

    def read(self, row: Mapping[str, object]) -> str | tuple[Message, ...]:
        """The document of a row; "" where all its columns are empty.

        Raises UnusableRowError for a row without one, and CorpusError where the rows have no such column, or
        where it holds a list, a record or data before its first text.
        """
        if not self._needed:
            return self.read_record(row)
        self._rows += 1
        for name in self._needed:
            if name not in row:
                self._missing[name] += 1
                if name not in self._texts and self._missing[name] == self._rows >= _LOOKED_AT:
                    raise self._no_column(name, row)
        texts = {name: self._text(row.get(name), name) for name in self._needed}
        lost = [name for name, text in texts.items() if text is None]
        if lost:
            raise UnusableRowError(
                f"rows without '{lost[0]}'", sum(len(text) for text in texts.values() if text is not None)
            )
        if not any(texts.values()):
            return ""
        return without_surrogates(
            "".join(part + (texts[name] or "" if name is not None else "") for part, name in self._parts)
        )

    def expect_texts(self) -> None:
        """The needed columns had texts in rows that were read earlier."""
        self._texts.update(self._needed)

    def require_columns(self, names: Sequence[str]) -> None:
        """Raise CorpusError unless a table of columns `names` has those that are needed."""
        row = dict.fromkeys(names)
        for name in self._needed:
            if name not in row:
                raise self._no_column(name, row)
        if not self._needed and not fits_columns(names):
            raise CorpusError(
                f"No column of {self.label} holds text by its name: there are {named_columns(names)}.",
                hint="Name columns, or give a template.",
            )

    def require_read(self, last: Mapping[str, object]) -> None:
        """Raise CorpusError where no row had a column that is needed; `last` is one of the rows."""
        for name, times in self._missing.items():
            if name not in self._texts and times == self._rows:
                raise self._no_column(name, last)

    def _text(self, value: object, name: str) -> str | None:
        """A value as text; None where there is none. Numbers are as JSON has them."""
        if value is None or isinstance(value, str):
            self._texts.update([name] if value else [])
            return value
        if isinstance(value, float) and math.isnan(value):  # how tables write that there is none
            return None
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        if name in self._texts:  # this row is at fault, and not the choice of the column
            return None
        kinds = ((list | tuple, "lists"), (Mapping, "records"))
        kind = next((words for types, words in kinds if isinstance(value, types)), "data")
        raise CorpusError(
            f"Column '{safe_text(name)}' of {self.label} holds {kind}, and no text.",
            hint="Name another column, or a template of others.",
        )

    def _no_column(self, name: str, row: Mapping[str, object]) -> CorpusError:
        there = [f"'{safe_text(str(one))}'" for one in row][:_NAMED_AT_MOST]
        more = len(row) - len(there)
        message = (
            f"The template of {self.label} names '{safe_text(name)}', and there is no such column."
            if self.template is not None
            else f"There is no column '{safe_text(name)}' in {self.label}."
        )
        return CorpusError(
            message, hint=f"There are {', '.join(there) or 'none'}{f' and {more} more' if more > 0 else ''}."
        )
