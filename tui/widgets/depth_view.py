"""What each depth of a model costs, and what it buys."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.content import lines, plain
from tui.widgets.table_text import TableText

if TYPE_CHECKING:
    from models.benchmark.report import Report


class DepthView(Vertical):
    """The tables of a measurement, and what follows from them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Report | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="depths"):
            yield TableText("depth-table")
            yield Static(id="depth-words")

    def show(self, found: "Report") -> None:
        """Show what was found."""
        self.found = found
        self.query_one("#depth-table", TableText).show(found.tables[0].texts(), found.tables[0].title)
        self.query_one("#depth-words", Static).update(lines([plain(one) for one in found.verdicts]))
