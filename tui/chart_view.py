"""Which part of a chart is shown, and where its cursor is. Needs no textual."""

from dataclasses import dataclass, replace

from models.charts.chart import Axis, Chart
from models.charts.terminal_chart import column_at, x_at
from models.charts.zoom import fitted, zoomed
from models.runs.loss_curves import SMOOTHED_SHARE, CurveAxis

AXES: tuple[CurveAxis, ...] = ("step", "tokens", "time")
SMOOTHINGS: dict[float, str] = {
    SMOOTHED_SHARE: "smoothed over a hundredth of the steps",
    5 * SMOOTHED_SHARE: "smoothed over a twentieth of the steps",
    0.0: "as they are",
}
"""Shares of the curve that a mean is taken over, in words."""
FACTOR = 2.0
"""Of one zoom."""
_FEWEST = 8.0
"""Steps or tokens that a chart shows at least."""
_SMALLEST_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Dials:
    """How curves are drawn. `smoothing` is the share of a curve that a mean is taken over; 0 for none."""

    axis: CurveAxis = "step"
    log: bool = False
    smoothing: float = SMOOTHED_SHARE

    def with_next_axis(self) -> "Dials":
        return replace(self, axis=AXES[(AXES.index(self.axis) + 1) % len(AXES)])

    def with_log_changed(self) -> "Dials":
        return replace(self, log=not self.log)

    def with_next_smoothing(self) -> "Dials":
        shares = list(SMOOTHINGS)
        return replace(self, smoothing=shares[(shares.index(self.smoothing) + 1) % len(shares)])


class ChartView:
    """A chart of which a part may be shown. `cursor` is a place on its x-axis; None: there is none."""

    def __init__(self) -> None:
        self.whole: Chart | None = None
        self.window: tuple[float, float] | None = None
        """The ends of the part of the x-axis that is shown; None for all of it."""
        self.cursor: float | None = None
        self._drawn: tuple[Chart, tuple[float, float] | None, int, Chart] | None = None
        """The last picture, after what it depends on."""

    @property
    def shown(self) -> Chart | None:
        """The part of the chart that is shown."""
        if self.whole is None or self.window is None:
            return self.whole
        return zoomed(self.whole, *self.window)

    def picture(self, columns: int) -> Chart | None:
        """The part that is shown, with few enough points for so many columns of dots."""
        if self.whole is None:
            return None
        last = self._drawn
        if last is None or last[0] is not self.whole or last[1:3] != (self.window, columns):
            part = self.whole if self.window is None else zoomed(self.whole, *self.window)
            last = self._drawn = (self.whole, self.window, columns, fitted(part, columns))
        return last[3]

    @property
    def axis(self) -> Axis | None:
        """The x-axis that is shown."""
        if self.whole is None or self.window is None:
            return None if self.whole is None else self.whole.x
        return replace(self.whole.x, low=self.window[0], high=self.window[1])

    def reset(self) -> None:
        """Show the whole chart."""
        self.window = None

    def forget(self) -> None:
        """Show the whole of a chart with another x-axis, without a cursor."""
        self.window = self.cursor = None

    def zoom(self, factor: float, around: float | None = None) -> None:
        """Show a part `factor` times smaller. The place `around`, else the cursor or the middle, stays."""
        axis = self.axis
        if axis is None:
            return
        around = around if around is not None else self.cursor
        place = 0.5 if around is None else min(1.0, max(0.0, axis.place(around)))
        self._show(axis, place - place / factor, place + (1 - place) / factor)

    def pan(self, share: float) -> None:
        """Move the part that is shown by a share of its width."""
        if (axis := self.axis) is not None and self.window is not None and self.whole is not None:
            low, high = (axis.place(end) for end in (self.whole.x.low, self.whole.x.high))
            share = min(high - 1, share) if share > 0 else max(low, share)
            self._show(axis, share, 1 + share)

    def put_cursor(self, column: int, columns: int) -> None:
        """Put the cursor at one of so many columns."""
        if (shown := self.shown) is not None:
            self.cursor = x_at(shown, min(columns - 1, max(0, column)), columns)

    def move_cursor(self, by: int, columns: int) -> None:
        """Move the cursor by columns. At an end of the part that is shown, that moves too."""
        shown = self.shown
        if shown is None or self.cursor is None:
            return
        column = column_at(shown, self.cursor, columns) + by
        if not 0 <= column < columns:
            self.pan(by / columns)
            column -= by
        self.put_cursor(column, columns)

    def _show(self, axis: Axis, low: float, high: float) -> None:
        """Show the part between two places of `axis`, within the whole chart."""
        assert self.whole is not None
        whole = self.whole.x
        least, most = axis.place(whole.low), axis.place(whole.high)
        width = min(most - least, high - low)
        low = min(most - width, max(least, low))
        high = low + width
        if low <= least and high >= most:
            self.window = None
            return
        ends = axis.value(low), axis.value(high)
        is_narrow = high - low < _SMALLEST_SHARE * (most - least)
        if is_narrow or (not whole.is_time and ends[1] - ends[0] < _FEWEST):
            return
        self.window = ends
