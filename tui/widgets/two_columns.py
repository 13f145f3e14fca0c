"""Names and texts beside each other. A long text goes on below its beginning."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.content import joined, lines, plain
from tui.run_words import Row

_GAP = 2
_NARROWEST = 12
"""Cells of the texts, however long the names are."""


class TwoColumns(Static):
    """Shows rows in two columns. The names have a style."""

    rows: reactive[tuple[Row, ...]] = reactive((), layout=True)

    def __init__(self, id: str, style: str = "$foreground-muted") -> None:
        super().__init__(id=id)
        self.style = style

    def watch_rows(self) -> None:
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        width = self.content_size.width or self.app.size.width
        self.update(lines(list(two_columns(self.rows, width, self.style))))


def two_columns(rows: Sequence[Row], width: int, style: str = "$foreground-muted") -> Iterator[Content]:
    """The lines of rows in `width` cells. The names have a style."""
    names = max((cell_len(name) for name, _ in rows), default=0) + _GAP
    for name, text in rows:
        for number, part in enumerate(plain(text).wrap(max(_NARROWEST, width - names))):
            shown = "" if number else name
            yield joined((shown + " " * (names - cell_len(shown)), style)) + part
