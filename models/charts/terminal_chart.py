"""A chart in characters: the dots of its curves in braille, their marks, and the axes."""

from collections.abc import Sequence

from models.charts.braille import BRAILLE, DOTS_ACROSS, DOTS_DOWN, line_codes
from models.charts.chart import Axis, Chart, Series

StyledLine = list[tuple[str, str]]
"""The parts of a line, each with its style."""
COLORS = ("cyan", "yellow", "magenta", "green", "red", "blue")
MARKS = "ox+*#@"
_WITHOUTBRAILLE = "."
_ASCII = str.maketrans("│┤└─┬", "|++-+")
_SMALLEST = (10, 3)


def draw_chart(
    chart: Chart, width: int, height: int, *, braille: bool = True, cursor: float | None = None
) -> list[StyledLine]:
    """The chart as lines of at most `width` cells: the legend, `height` lines of dots, and the x-axis.

    Without `braille`, all characters are ASCII, and a cell with any dot is a full stop. `cursor` is a place
    on the x-axis that a vertical line shows.
    """
    rows, ticks = max(_SMALLEST[1], height), _y_ticks(chart, height)
    margin, columns = _margin(ticks), plot_columns(chart, width, height)
    by_row = {_row(chart, value, rows): text for value, text in ticks}
    lines = _legend(chart, width, cursor)
    line_at = None if cursor is None else column_at(chart, cursor, columns)
    for row, cells in enumerate(_cells(chart, columns, rows, braille, line_at)):
        text = by_row.get(row, "")
        lines.append([(f"{text:>{margin}}", "dim"), ("┤" if text else "│", "dim"), *cells])
    lines += [[(part, "dim")] for part in _x_axis(chart, margin, columns)]
    if braille:
        return lines
    return [[(part.translate(_ASCII), style) for part, style in line] for line in lines]


def plot_columns(chart: Chart, width: int, height: int) -> int:
    """The columns of `draw_chart` that show curves: the last ones of each line."""
    return max(_SMALLEST[0], width - _margin(_y_ticks(chart, height)) - 1)


def column_at(chart: Chart, x: float, columns: int) -> int:
    """The one of so many columns that shows `x`."""
    return _dot(chart.x, x, DOTS_ACROSS * columns) // DOTS_ACROSS


def x_at(chart: Chart, column: int, columns: int) -> float:
    """What a column shows on the x-axis."""
    return chart.x.value(column / max(1, columns - 1))


def _y_ticks(chart: Chart, height: int) -> list[tuple[float, str]]:
    return chart.y.ticks(max(2, height // 2))


def _margin(ticks: Sequence[tuple[float, str]]) -> int:
    return max((len(text) for _, text in ticks), default=0)


def _cells(chart: Chart, columns: int, rows: int, braille: bool, line_at: int | None) -> list[StyledLine]:
    """The dots of all curves, from the top down. Where curves meet, the cell has the colour of the last."""
    codes = [[0] * columns for _ in range(rows)]
    styles = [[""] * columns for _ in range(rows)]
    marks: dict[tuple[int, int], str] = {}
    for series in sorted(chart.series, key=lambda one: one.kind):
        color = COLORS[series.number % len(COLORS)]
        if series.kind == "marks":
            for x, y in series.points:
                place = _row(chart, y, rows), column_at(chart, x, columns)
                marks[place] = MARKS[series.number % len(MARKS)]
                styles[place[0]][place[1]] = f"bold {color}"
            continue
        for row, line in enumerate(_dots(chart, series, columns, rows)):
            for column, code in enumerate(line):
                if code:
                    codes[row][column] |= code
                    styles[row][column] = color
    lines = []
    for row in range(rows):
        cells = [marks.get((row, n)) or _character(code, braille) for n, code in enumerate(codes[row])]
        if line_at is not None:
            is_free = cells[line_at] == " "
            styles[row][line_at] = "dim" if is_free else f"{styles[row][line_at]} reverse"
            cells[line_at] = "│" if is_free else cells[line_at]
        lines.append(_joined(cells, styles[row]))
    return lines


def _dots(chart: Chart, series: Series, columns: int, rows: int) -> list[list[int]]:
    """The line through the points of a curve, as codes of dots by row from the top down."""
    wide, high = DOTS_ACROSS * columns, DOTS_DOWN * rows
    places = ((_dot(chart.x, x, wide), _dot(chart.y, y, high)) for x, y in series.points)
    return line_codes(places, columns, rows)


def _character(code: int, braille: bool) -> str:
    if not code:
        return " "
    return chr(BRAILLE + code) if braille else _WITHOUTBRAILLE


def _joined(cells: Sequence[str], styles: Sequence[str]) -> StyledLine:
    """Cells and their styles as parts of one style each, without blanks at the end."""
    last = max((place for place, cell in enumerate(cells) if cell != " "), default=-1)
    parts: StyledLine = []
    for cell, style in zip(cells[: last + 1], styles, strict=False):
        if parts and (parts[-1][1] == style or cell == " "):
            parts[-1] = parts[-1][0] + cell, parts[-1][1]
        else:
            parts.append((cell, style))
    return parts


def _legend(chart: Chart, width: int, cursor: float | None) -> list[StyledLine]:
    """The names of the curves, as many in a line as fit, after the axes or the place of the cursor."""
    title = f"{chart.y.label} by {chart.x.label}"
    if cursor is not None:
        title = f"{chart.x.label} {chart.x.exactly(cursor)}"
    lines: list[StyledLine] = [[(title, "bold")]]
    used = len(title)
    for series in chart.series:
        color = COLORS[series.number % len(COLORS)]
        sign = MARKS[series.number % len(MARKS)] if series.kind == "marks" else "─"
        name = f"{sign} {series.name}"
        if used + 3 + len(name) > width:
            lines.append([])
            used = 0
        gap = "   " if used else ""
        lines[-1].append((gap + name, color))
        used += len(gap + name)
    return lines


def _x_axis(chart: Chart, margin: int, columns: int) -> list[str]:
    """The line with its ticks, and their texts below."""
    line = ["─"] * columns
    texts = [" "] * (margin + 1 + columns)
    for value, text in chart.x.ticks(max(2, columns // 12)):
        column = column_at(chart, value, columns)
        start = min(margin + 1 + column, len(texts) - len(text))
        if not "".join(texts[max(0, start - 1) : start + len(text)]).strip():
            line[column] = "┬"
            texts[start : start + len(text)] = text
    return [" " * margin + "└" + "".join(line), "".join(texts).rstrip()]


def _dot(axis: Axis, value: float, dots: int) -> int:
    """The dot of an axis of so many dots that a value is at, from the low end."""
    return min(dots - 1, max(0, round(axis.place(value) * (dots - 1))))


def _row(chart: Chart, y: float, rows: int) -> int:
    """The row of a value, from the top."""
    return rows - 1 - _dot(chart.y, y, DOTS_DOWN * rows) // DOTS_DOWN
