"""A plan as a table of names and values, with what is to be said of it."""

import textwrap
from collections.abc import Iterator, Sequence

from textual.content import Content
from textual.widgets import Static

from tui.content import joined, lines, plain
from tui.run_words import Row

_NARROWEST = 16
"""Columns of the values."""


class PlanRows(Static):
    """Remarks, and below them the table. A long value goes on below its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._remarks: Sequence[tuple[str, str]] = ()

    def show(self, rows: Sequence[Row], remarks: Sequence[tuple[str, str]]) -> None:
        """Show names and values, and remarks with their styles."""
        self._rows, self._remarks = rows, remarks
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        parts = [plain(*remark) for remark in self._remarks]
        if parts and self._rows:
            parts.append(plain(""))
        self.update(lines([*parts, *_table(self._rows, self.size.width)]))


def _table(rows: Sequence[Row], width: int) -> Iterator[Content]:
    names = max((len(name) for name, _ in rows), default=0) + 2
    for name, value in rows:
        for number, part in enumerate(textwrap.wrap(value, max(_NARROWEST, width - names))):
            yield joined((f"{'' if number else name:<{names}}", "$foreground-muted"), part)
