"""The picture of a table of a benchmark."""

import math

from models.benchmark.report import Table, is_number
from models.charts.chart import Chart, Series, chart_of


def chart_of_table(table: Table, x: str | None = None) -> Chart | None:
    """The points of the table's plot, each named by its row. `x` is another column to draw them against.

    None where the table has no plot, or fewer than two points.
    """
    plot = table.plot
    if plot is None:
        return None
    across = x or plot.x
    found = {
        str(row[0]): (float(one), float(other))
        for one, other, row in zip(table.column(across), table.column(plot.y), table.rows, strict=True)
        if isinstance(one, int | float) and isinstance(other, int | float) and math.isfinite(one + other)
    }
    if len(found) < 2:
        return None
    series = [] if plot.groups else [Series(plot.y, tuple(found.values()), 0, "line")]
    for number, (group, members) in enumerate((plot.groups or {table.columns[0].name: [*found]}).items()):
        names = tuple(name for name in found if name in members)
        points = tuple(found[name] for name in names)
        series.append(Series(group, points, number, "marks", labels=names))
    series += _lines_beside(table, across, series[-1].number + 1)
    return chart_of(series, x_label=across, y_label=plot.y, is_time=False, log=plot.log)


def _lines_beside(table: Table, across: str, number: int) -> list[Series]:
    """The other columns of the plot as lines, with colours from `number` on."""
    lines = []
    for place, name in enumerate(table.plot.beside if table.plot is not None else ()):
        points = tuple(
            (float(x), float(y))
            for x, y in zip(table.column(across), table.column(name), strict=True)
            if is_number(x) and is_number(y) and math.isfinite(x + y)
        )
        lines.append(Series(name, points, number + place, "line"))
    return lines
