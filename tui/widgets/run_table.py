"""The table of the runs. Which columns it has depends on its width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.widgets import DataTable

from data.format import format_age, format_duration, format_loss, format_short_count
from data.safe_text import safe_text
from data.wording import shortened
from tui.run_list import RunRow
from tui.sparkline import sparkline

STATE_COLORS = {
    "training": "success",
    "preparing": "success",
    "paused": "accent",
    "killed": "warning",
    "failed": "error",
    "damaged": "error",
}
"""The theme's colour of each state; the others have that of the text."""
MOST_MARKED = 4
_PADDING = 2  # cells beside each column


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what it shows of a run. A width of 0 takes what is left."""

    title: str
    width: int
    text: Callable[[RunRow], str]
    is_number: bool = False


def _progress(row: RunRow) -> str:
    """How far a training is, or how long ago the run changed."""
    step = row.summary.last_step
    if row.state == "preparing":
        return "preparing"
    if row.state != "training" or step is None or row.share is None:
        return format_age(row.summary.modified)
    return f"{row.share:4.0%} {format_duration(step.eta_s)} left"


_NAME = Column("run", 0, lambda row: row.summary.name)
_STATE = Column("state", 9, lambda row: row.state)
_CURVE = Column("loss", 10, lambda row: sparkline(row.losses, 10))
_WIDE_CURVE = Column("loss", 20, lambda row: sparkline(row.losses, 20))
_BEST = Column("best", 7, lambda row: format_loss(row.summary.validation_loss), is_number=True)
_PROGRESS = Column("progress", 18, _progress)
_ARCHITECTURE = Column("architecture", 16, lambda row: row.summary.architecture or "-")
_PARAMETERS = Column(
    "params", 6,
    lambda row: "-" if row.summary.parameters is None else format_short_count(row.summary.parameters),
    is_number=True,
)  # fmt: skip
_TEXT = Column("text", 16, lambda row: row.summary.learns or "-")

_LAYOUTS = (
    (120, (_NAME, _STATE, _WIDE_CURVE, _BEST, _ARCHITECTURE, _PARAMETERS, _TEXT, _PROGRESS)),
    (70, (_NAME, _STATE, _CURVE, _BEST, _PROGRESS)),
    (0, (_NAME, _STATE, _BEST)),
)
"""The columns from each width on."""


def columns_for(width: int) -> list[tuple[Column, int]]:
    """The columns of a table of `width` cells, each with its width without padding."""
    columns = next(columns for least, columns in _LAYOUTS if width >= least)
    used = sum(column.width + _PADDING for column in columns)
    return [(column, column.width or max(4, width - used)) for column in columns]


class RunTable(DataTable[Text]):
    """One row a run. The keys of its rows are the paths of the runs."""

    BINDINGS = [
        Binding("enter", "select_cursor", "Open", id="home.open", show=False, tooltip="Follow the run"),
        Binding("j", "cursor_down", show=False, id="home.down"),
        Binding("k", "cursor_up", show=False, id="home.up"),
        Binding("home", "scroll_top", show=False, id="home.first"),
        Binding("end", "scroll_bottom", show=False, id="home.last"),
    ]

    def __init__(self, id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self.rows_shown: Sequence[RunRow] = ()
        self._drawn: list[list[str]] = []
        self.marked: set[str] = set()
        """Paths of the runs whose curves are drawn together."""

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda theme: self.show(self.rows_shown))

    @property
    def selected(self) -> RunRow | None:
        """The run under the cursor."""
        place = self.cursor_row
        return self.rows_shown[place] if 0 <= place < len(self.rows_shown) else None

    def show(self, rows: Sequence[RunRow]) -> None:
        """Show these runs. The cursor stays on its run."""
        before = self.selected
        kept = str(before.summary.path) if before is not None else None
        self.rows_shown = rows
        self.marked &= {str(row.summary.path) for row in rows}
        self._fill(kept)

    def mark(self, path: str) -> bool:
        """Mark the run of that path, or unmark it. False where enough are marked already."""
        if path not in self.marked and len(self.marked) >= MOST_MARKED:
            return False
        self.marked ^= {path}
        self.show(self.rows_shown)
        return True

    def on_resize(self, event: events.Resize) -> None:
        before = self.selected
        self._fill(str(before.summary.path) if before is not None else None)

    def _fill(self, kept: str | None) -> None:
        """Draw the rows, with the cursor on the run of the path `kept`, or at its place where that is gone.

        What is drawn already stays.
        """
        columns = columns_for(self.size.width or self.app.size.width)
        drawn = [[str(row.summary.path), *(self._cell(row, *column).markup for column in columns)]
                 for row in self.rows_shown]  # fmt: skip
        if drawn == self._drawn:
            return
        self._drawn = drawn
        offset, row_before = self.scroll_offset, self.cursor_row
        self.clear(columns=True)
        for column, width in columns:
            title = Text(f"{column.title:>{width}}" if column.is_number else column.title)
            self.add_column(title, width=width)
        places = {}
        for place, row in enumerate(self.rows_shown):
            key = str(row.summary.path)
            places[key] = place
            self.add_row(*(self._cell(row, *column) for column in columns), key=key)
        if kept is not None and places:
            place = places.get(kept, min(row_before, len(places) - 1))
            self.move_cursor(row=place, animate=False, scroll=False)
            self.scroll_to(offset.x, offset.y, animate=False)

    def _cell(self, row: RunRow, column: Column, width: int) -> Text:
        text = shortened(safe_text(column.text(row)), width)
        if column is _NAME and str(row.summary.path) in self.marked:
            text = shortened(f"● {text}", width)
        color = ""
        if column is _STATE:
            color = self.app.theme_variables.get(STATE_COLORS.get(row.state, ""), "")
        elif column in (_CURVE, _WIDE_CURVE):
            color = self.app.theme_variables["primary"]
        return Text(text, style=color, justify="right" if column.is_number else "left", no_wrap=True)
