"""A chart of curves, as large as its place on the screen: its zoom, its cursor, and how curves are drawn."""

from collections.abc import Callable

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from models.charts.chart import Chart
from models.charts.terminal_chart import StyledLine, draw_chart, plot_columns, x_at
from models.charts.zoom import with_values
from tui.chart_view import FACTOR, SMOOTHINGS, ChartView, Dials
from tui.content import joined, lines, plain

_THEME = {
    "cyan": "$primary",
    "yellow": "$accent",
    "magenta": "$secondary",
    "green": "$success",
    "red": "$error",
    "blue": "$warning",
    "dim": "$foreground-muted",
}
"""The theme's colours for those of a chart."""
_AXIS_ROWS = 2
_FEWEST_ROWS = 3
_PAN = 0.25
MakeChart = Callable[[Dials], Chart | None]
CHART_BINDINGS = [
    Binding("l", "change_log", "Log", id="chart.log", show=False, tooltip="A logarithmic or linear axis"),
    Binding("x", "next_axis", "Axis", id="chart.axis", show=False, tooltip="By step, tokens or time"),
    Binding("m", "next_smoothing", "Smooth", id="chart.smooth", show=False,
            tooltip="Smooth the losses: little, much, not at all"),
    Binding("v", "change_cursor", "Values", id="chart.cursor",
            tooltip="A cursor that reads the values; the left and right arrows move it"),
    Binding("plus,equals_sign", "zoom(1)", "Zoom in", id="chart.zoom_in", show=False,
            tooltip="Zoom in around the cursor, or the middle"),
    Binding("minus", "zoom(-1)", "Zoom out", id="chart.zoom_out", show=False,
            tooltip="Zoom out"),
    Binding("0", "whole", "Whole", id="chart.whole", show=False, tooltip="Show the whole curve"),
    Binding("full_stop,shift+right", "pan(1)", "Later", id="chart.later", show=False,
            tooltip="In a zoomed chart: later"),
    Binding("comma,shift+left", "pan(-1)", "Earlier", id="chart.earlier", show=False,
            tooltip="In a zoomed chart: earlier"),
    Binding("right", "move_cursor(1)", show=False, id="chart.right"),
    Binding("left", "move_cursor(-1)", show=False, id="chart.left"),
    Binding("ctrl+right,pagedown", "move_cursor(10)", show=False, id="chart.far_right"),
    Binding("ctrl+left,pageup", "move_cursor(-10)", show=False, id="chart.far_left"),
    Binding("end", "move_cursor(100_000)", show=False, id="chart.end"),
    Binding("home", "move_cursor(-100_000)", show=False, id="chart.start"),
    Binding("escape", "leave_cursor", show=False, id="chart.leave"),
]  # fmt: skip


class CurveChart(Widget, can_focus=True):
    """Draws the chart that `make` gives. Without one, or without a curve in it, it shows `words`."""

    ALLOW_SELECT = False
    BINDINGS = [*CHART_BINDINGS]
    words: reactive[str] = reactive("")
    dials: reactive[Dials] = reactive(Dials())

    class Said(Message):
        """How the curves are drawn now, in words."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    def __init__(self) -> None:
        super().__init__()
        self.view = ChartView()
        self._make: MakeChart = lambda dials: None
        self._hover: float | None = None
        """The place on the x-axis under the mouse."""
        self._rows = _FEWEST_ROWS
        """Of the curves, as they were drawn last."""

    @property
    def chart(self) -> Chart | None:
        """The part of the chart that is shown."""
        return self.view.shown

    def draw(self, make: MakeChart) -> None:
        """Show the chart that `make` gives, now and whenever the dials change."""
        had_chart = self.view.whole is not None
        self._make = make
        self.view.whole = make(self.dials)
        self.refresh()
        if had_chart != (self.view.whole is not None):
            self.refresh_bindings()

    def watch_dials(self, before: Dials, now: Dials) -> None:
        if before.axis != now.axis or before.log != now.log:
            self._hover = None
            self.view.forget()
        self.draw(self._make)

    def render(self) -> Content:
        chart, (width, height) = self.view.shown, self.size
        if chart is None or not chart.series or width < 1:
            return plain(self.words, "$foreground-muted")
        picture, place = self.view.picture(2 * width) or chart, self._place()
        if place is not None:
            picture = with_values(picture, chart, place)
        rows = max(_FEWEST_ROWS, height - _AXIS_ROWS - 1)
        drawn = draw_chart(picture, width, rows, cursor=place)
        names = len(drawn) - _AXIS_ROWS - rows
        if len(drawn) > height:  # the names of the curves take more than one line, and at most half of them
            kept = min(names, max(1, (height - _AXIS_ROWS) // 2))
            rows = max(_FEWEST_ROWS, height - _AXIS_ROWS - kept)
            drawn = draw_chart(picture, width, rows, cursor=place)
            del drawn[kept:names]
        self._rows = rows
        return lines([_content(line) for line in drawn])

    @property
    def _columns(self) -> int:
        """The columns that show curves, at the right end of the widget."""
        chart = self.view.shown
        return 1 if chart is None else plot_columns(chart, self.size.width, self._rows)

    def _place(self) -> float | None:
        """The place on the x-axis whose values are read: under the mouse, else at the cursor."""
        place, axis = self._hover if self._hover is not None else self.view.cursor, self.view.axis
        return place if place is None or axis is None or axis.low <= place <= axis.high else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("move_cursor", "leave_cursor"):
            return self.view.cursor is not None
        if action in ("change_cursor", "zoom"):
            return self.view.whole is not None
        if action in ("whole", "pan"):
            return self.view.window is not None
        return True

    def action_change_log(self) -> None:
        self.dials = self.dials.with_log_changed()

    def action_next_axis(self) -> None:
        self.dials = self.dials.with_next_axis()

    def action_next_smoothing(self) -> None:
        self.dials = self.dials.with_next_smoothing()
        self.post_message(self.Said(f"The losses are {SMOOTHINGS[self.dials.smoothing]}."))

    def action_change_cursor(self) -> None:
        if self.view.cursor is None:
            self.view.put_cursor(self._columns - 1, self._columns)
        else:
            self.view.cursor = None
        self._changed()

    def action_leave_cursor(self) -> None:
        self.view.cursor = self._hover = None
        self._changed()

    def action_move_cursor(self, by: int) -> None:
        far = self._columns
        if abs(by) > far:
            self.view.put_cursor(far - 1 if by > 0 else 0, far)
        else:
            self.view.move_cursor(by, far)
        self._changed()

    def action_zoom(self, direction: int) -> None:
        self.view.zoom(FACTOR if direction > 0 else 1 / FACTOR)
        self._changed()

    def action_pan(self, direction: int) -> None:
        self.view.pan(_PAN * direction)
        self._changed()

    def action_whole(self) -> None:
        self.view.reset()
        self._changed()

    def _changed(self) -> None:
        self.refresh()
        self.refresh_bindings()

    # The mouse.

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover = self._x_under(event)
        self.refresh()

    def on_leave(self, event: events.Leave) -> None:
        self._hover = None
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        if (place := self._x_under(event)) is not None:
            self.view.cursor = place
            self._changed()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(event, FACTOR)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(event, 1 / FACTOR)

    def _scroll(self, event: events.MouseEvent, factor: float) -> None:
        is_in_scroll = any(isinstance(one, Widget) and one.allow_vertical_scroll for one in self.ancestors)
        if is_in_scroll and not self.has_focus:
            return  # the wheel scrolls
        event.stop()
        self.view.zoom(factor, self._x_under(event))
        self._changed()

    def _x_under(self, event: events.MouseEvent) -> float | None:
        offset, chart = event.get_content_offset(self), self.view.shown
        if offset is None or chart is None or not chart.series:
            return None
        columns = self._columns
        column = offset.x - (self.size.width - columns)
        return x_at(chart, column, columns) if 0 <= column < columns else None


def _content(line: StyledLine) -> Content:
    return joined(*((part, theme_style(style)) for part, style in line))


def theme_style(style: str) -> str:
    """The style of a chart in the theme's colours."""
    return " ".join(_THEME.get(word, word) for word in style.split())
