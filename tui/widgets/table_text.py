"""A table of texts as wide as its place, drawn again when that changes."""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import Static

from data.safe_text import safe_text
from data.text_table import GAP, TextTable
from tui.content import cut, joined, lines

CellStyle = Callable[[int, str], str]
"""The style of a cell, by its row and its column."""


class TableText(Static):
    """Shows a table. `style` colours its cells; a heading stands above it."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._table: TextTable | None = None
        self._heading = ""
        self._style: CellStyle = _unstyled

    def show(self, table: TextTable | None, heading: str = "", style: CellStyle | None = None) -> None:
        """Show this table. None, or one without rows, takes no room."""
        self._table, self._heading, self._style = table, heading, style or _unstyled
        self.display = table is not None and bool(table.rows)
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._table is not None and self.display:
            rows = table_lines(self._table, self.content_size.width or self.app.size.width, self._style)
            self.update(lines([joined((self._heading, "bold")), *rows] if self._heading else rows))


def _unstyled(row: int, column: str) -> str:
    return ""


def table_lines(table: TextTable, width: int, style: CellStyle = _unstyled) -> list[Content]:
    """The lines of a table that has `width` cells. What does not fit in its last column is cut."""
    shown = table.fitted(width, _cells)
    widths = shown.widths(_cells)
    found = [_line(shown, shown.columns, widths, width, ["$foreground-muted"] * len(widths))]
    for number, row in enumerate(shown.rows):
        styles = [style(number, column) for column in shown.columns]
        found.append(_line(shown, row, widths, width, styles))
    return found


def _line(
    table: TextTable, texts: Sequence[str], widths: Sequence[int], width: int, styles: Sequence[str]
) -> Content:
    parts: list[tuple[str, str] | str] = []
    used = 0
    for column, text, cells, style in zip(table.columns, texts, widths, styles, strict=True):
        text = _in_one_line(text)
        gap = GAP if used else 0
        room = min(cells, width - used - gap)
        if room < 1:
            break
        text = cut(text, room)
        blanks = " " * (room - cell_len(text))
        parts += [" " * gap, (blanks + text if column in table.right else text + blanks, style)]
        used += gap + room
    return joined(*parts).rstrip()


def _in_one_line(text: str) -> str:
    return safe_text(text).replace("\n", "⏎").replace("\t", "⇥")


def _cells(text: str) -> int:
    return cell_len(_in_one_line(text))
