"""A chart of curves, as large as its place on the screen."""

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from models.charts.chart import Chart
from models.charts.terminal_chart import StyledLine, draw_chart
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


class CurveChart(Widget):
    """Draws `chart`. Without one, or without a curve in it, it shows `words`."""

    chart: reactive[Chart | None] = reactive(None)
    words: reactive[str] = reactive("")

    def render(self) -> Content:
        chart, (width, height) = self.chart, self.size
        if chart is None or not chart.series or width < 1:
            return plain(self.words, "$foreground-muted")
        rows = height - _AXIS_ROWS - 1
        drawn = draw_chart(chart, width, max(_FEWEST_ROWS, rows))
        if len(drawn) > height:  # the names of the curves take more than one line
            drawn = draw_chart(chart, width, max(_FEWEST_ROWS, rows - (len(drawn) - height)))
        return lines([_content(line) for line in drawn])


def _content(line: StyledLine) -> Content:
    return joined(*((part, _style(style)) for part, style in line))


def _style(style: str) -> str:
    return " ".join(_THEME.get(word, word) for word in style.split())
