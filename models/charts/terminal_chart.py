"""A chart in braille characters. `plotille` draws the dots of each curve; axes and colours are added here."""

import itertools
from collections.abc import Sequence

from models.charts.chart import Axis, Chart, Series

StyledLine = list[tuple[str, str]]
"""The parts of a line, each with its style."""
COLORS = ("cyan", "yellow", "magenta", "green", "red", "blue")
MARKS = "ox+*#@"
_BRAILLE = 0x2800
_DOTS_ACROSS, _DOTS_DOWN = 2, 4
"""Dots of a braille character."""
_WITHOUT_BRAILLE = "."
_ASCII = str.maketrans("│┤└─┬", "|++-+")
_SMALLEST = (10, 3)


def draw_chart(chart: Chart, width: int, height: int, *, braille: bool = True) -> list[StyledLine]:
    """The chart as lines of at most `width` cells: the legend, `height` lines of dots, and the x-axis.

    Without `braille`, all characters are ASCII, and a cell with any dot is a full stop.
    """
    ticks = chart.y.ticks(max(2, height // 2))
    margin = max((len(text) for _, text in ticks), default=0)
    columns, rows = max(_SMALLEST[0], width - margin - 1), max(_SMALLEST[1], height)
    by_row = {_row(chart, value, rows): text for value, text in ticks}
    lines = _legend(chart, width)
    for row, cells in enumerate(_cells(chart, columns, rows, braille)):
        text = by_row.get(row, "")
        lines.append([(f"{text:>{margin}}", "dim"), ("┤" if text else "│", "dim"), *cells])
    lines += [[(part, "dim")] for part in _x_axis(chart, margin, columns)]
    if braille:
        return lines
    return [[(part.translate(_ASCII), style) for part, style in line] for line in lines]


def _cells(chart: Chart, columns: int, rows: int, braille: bool) -> list[StyledLine]:
    """The dots of all curves, from the top down. Where curves meet, the cell has the colour of the last."""
    codes = [[0] * columns for _ in range(rows)]
    styles = [[""] * columns for _ in range(rows)]
    marks: dict[tuple[int, int], str] = {}
    for series in sorted(chart.series, key=lambda one: one.kind):
        color = COLORS[series.number % len(COLORS)]
        if series.kind == "marks":
            for x, y in series.points:
                place = _row(chart, y, rows), _column(chart, x, columns)
                marks[place] = MARKS[series.number % len(MARKS)]
                styles[place[0]][place[1]] = f"bold {color}"
            continue
        for row, line in enumerate(_dots(chart, series, columns, rows)):
            for column, character in enumerate(line):
                if ord(character) > _BRAILLE:
                    codes[row][column] |= ord(character) - _BRAILLE
                    styles[row][column] = color
    lines = []
    for row in range(rows):
        cells = [_character(code, braille) for code in codes[row]]
        lines.append(_joined([marks.get((row, n), cell) for n, cell in enumerate(cells)], styles[row]))
    return lines


def _dots(chart: Chart, series: Series, columns: int, rows: int) -> list[str]:
    """The line through the points of a curve, as rows of braille characters from the top down."""
    from plotille import Canvas

    wide, high = _DOTS_ACROSS * columns, _DOTS_DOWN * rows
    canvas = Canvas(columns, rows, xmin=0, ymin=0, xmax=wide, ymax=high)
    places = [(_dot(chart.x, x, wide), _dot(chart.y, y, high)) for x, y in series.points]
    canvas.point(*places[0])
    for start, end in itertools.pairwise(places):
        canvas.line(*start, *end)
    return canvas.plot(linesep="\n").split("\n")


def _character(code: int, braille: bool) -> str:
    if not code:
        return " "
    return chr(_BRAILLE + code) if braille else _WITHOUT_BRAILLE


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


def _legend(chart: Chart, width: int) -> list[StyledLine]:
    """The names of the curves, as many in a line as fit."""
    title = f"{chart.y.label} by {chart.x.label}"
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
        column = _column(chart, value, columns)
        start = min(margin + 1 + column, len(texts) - len(text))
        if not "".join(texts[max(0, start - 1) : start + len(text)]).strip():
            line[column] = "┬"
            texts[start : start + len(text)] = text
    return [" " * margin + "└" + "".join(line), "".join(texts).rstrip()]


def _dot(axis: Axis, value: float, dots: int) -> int:
    """The dot of an axis of so many dots that a value is at, from the low end."""
    return min(dots - 1, max(0, round(axis.place(value) * (dots - 1))))


def _column(chart: Chart, x: float, columns: int) -> int:
    return _dot(chart.x, x, _DOTS_ACROSS * columns) // _DOTS_ACROSS


def _row(chart: Chart, y: float, rows: int) -> int:
    """The row of a value, from the top."""
    return rows - 1 - _dot(chart.y, y, _DOTS_DOWN * rows) // _DOTS_DOWN
