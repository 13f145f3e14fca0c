"""What each depth of a model costs, and what it buys."""

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from models.benchmark.report_chart import chart_of_table
from tui.content import lines, plain
from tui.widgets.curve_chart import CurveChart
from tui.widgets.table_text import TableText

if TYPE_CHECKING:
    from models.benchmark.report import Report, Table

_LEFT_OUT = ("trained", "±", "block passes", "gains", "ms per puzzle", "ms per problem")
"""The columns that a narrow table does without, in this order."""
_STYLES = {"good": "$success", "bad": "$error"}
_ACROSS = ("block passes", "ms per puzzle", "ms per problem")
"""Other columns that the picture can be drawn against."""


class DepthView(Vertical):
    """The tables of a measurement, what follows from them, and a picture of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Report | None = None
        self.across: str | None = None
        """The column that the picture is drawn against. None: the one of the table."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="depths"), Horizontal(id="depth-both"):
            with Vertical(id="depth-tables"):
                yield Static(id="depth-words")
                yield TableText("depth-table")
                yield TableText("depth-more")
            yield CurveChart()

    def on_mount(self) -> None:
        self.query_one(CurveChart).can_focus = False  # its keys are those of curves over a training
        self.query_one(CurveChart).display = False

    def show(self, found: "Report") -> None:
        """Show what was found."""
        self.found = found
        words = [plain(one) for one in found.verdicts] + [
            plain(one, "$foreground-muted") for one in found.notes
        ]
        self.query_one("#depth-words", Static).update(lines(words))
        for table, place in zip(found.tables, ("#depth-table", "#depth-more"), strict=False):
            self._show_table(table, self.query_one(place, TableText))
        self._draw()

    def _show_table(self, table: "Table", place: TableText) -> None:
        names = [column.name for column in table.columns]

        def style(row: int, column: str) -> str:
            return _STYLES.get(table.judge(table.rows[row], names.index(column)), "")

        optional = [name for name in _LEFT_OUT if name in names]
        place.show(replace(table.texts(), optional=optional), table.title, style)

    def next_axis(self) -> None:
        """Draw the picture against another column."""
        if self.found is not None:
            names = [column.name for column in self.found.tables[0].columns]
            choices = [None, *(name for name in _ACROSS if name in names)]
            self.across = choices[(choices.index(self.across) + 1) % len(choices)]
            self._draw()

    def _draw(self) -> None:
        chart = None if self.found is None else chart_of_table(self.found.tables[0], self.across)
        self.query_one(CurveChart).draw(lambda dials: chart)
        self.query_one(CurveChart).display = chart is not None
