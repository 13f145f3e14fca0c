"""Figures between two ends, each with a bar and what it means."""

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.widgets import Static

from models.analysis.result_tables import Measure, Row
from tui.content import joined, lines, plain

_WIDE = 100
"""Cells from which on the meaning stands beside the bar."""
_LONGEST_BAR = 24


class MeasureBars(Static):
    """One bar a measure, then rows of names and values."""

    def __init__(self, id: str, color: str) -> None:
        super().__init__(id=id)
        self._color = color
        self._measures: Sequence[Measure] = ()
        self._rows: Sequence[Row] = ()

    def show(self, measures: Sequence[Measure], rows: Sequence[Row] = ()) -> None:
        """Show these measures, and these rows below them. Nothing takes no room."""
        self._measures, self._rows = measures, rows
        self.display = bool(measures or rows)
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.content_size.width or self.app.size.width
        bars = bar_lines(self._measures, width, self._color)
        gap = [plain("")] if bars and self._rows else []
        self.update(lines([*bars, *gap, *pair_lines(self._rows, width)]))


def bar_lines(measures: Sequence[Measure], width: int, color: str) -> list[Content]:
    """A line for each measure; where it is narrow, another with its meaning."""
    names = max((len(one.name) for one in measures), default=0)
    figures = max((len(one.text) for one in measures), default=0)
    longest = max(4, min(_LONGEST_BAR, width - names - figures - 4))
    found = []
    for one in measures:
        full = round(min(1.0, max(0.0, one.share)) * longest)
        line: list[tuple[str, str] | str] = [
            f"{one.name:<{names}}  ", ("━" * full, color), ("─" * (longest - full), "$panel"),
            f"  {one.text:>{figures}}",
        ]  # fmt: skip
        if width >= _WIDE:
            found.append(joined(*line, (f"  {one.meaning}", "$foreground-muted")))
        else:
            found.append(joined(*line))
            if one.meaning:
                found.append(plain(f"  {one.meaning}", "$foreground-muted"))
    return found


def pair_lines(rows: Sequence[Row], width: int) -> list[Content]:
    """Names and values beside each other, or below each other where it is narrow."""
    names = max((len(name) for name, _ in rows), default=0)
    values = max((len(value) for _, value in rows), default=0)
    if width >= min(_WIDE, names + 2 + values):
        return [joined((f"{name:<{names}}  ", "$foreground-muted"), value) for name, value in rows]
    found = []
    for name, value in rows:
        found += [plain(name, "$foreground-muted")] if name else []
        found.append(plain(f"  {value}"))
    return found
