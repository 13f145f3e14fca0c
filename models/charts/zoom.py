"""A part of a chart, the points that shape it in a picture, and the values at one place."""

import bisect
from collections.abc import Sequence
from dataclasses import replace

from models.charts.chart import Chart, Point, Series, value_axis
from models.charts.thinning import thinned

_NEAR = 0.02
"""The share of an axis that a line may end before a place and still have a value there."""


def zoomed(chart: Chart, low: float, high: float) -> Chart:
    """The part of `chart` from `low` to `high` on the x-axis. The y-axis fits what is there."""
    parts = [_part(series, low, high) for series in chart.series]
    kept = tuple(one for one in parts if one.points)
    values = [y for one in kept for _, y in one.points]
    y = value_axis(chart.y, values) if values else chart.y
    return replace(chart, series=kept, x=replace(chart.x, low=low, high=high), y=y)


def fitted(chart: Chart, columns: int) -> Chart:
    """The chart with the points that shape its lines in a picture of so many columns of dots."""
    return replace(
        chart,
        series=tuple(
            replace(one, points=tuple(thinned(one.points, columns))) if one.kind == "line" else one
            for one in chart.series
        ),
    )


def with_values(chart: Chart, whole: Chart, x: float) -> Chart:
    """The chart, each curve named with its value in `whole` at the point nearest to `x`.

    A line that ends before `x` or begins after it has none. A mark has its place beside its value.
    """
    found = {(one.name, one.number, one.kind): nearest(one.points, x) for one in whole.series}
    series = []
    for one in chart.series:
        point = found.get((one.name, one.number, one.kind))
        if point is not None and one.kind == "line":
            distance = abs(point[0] - x)
            if distance > _NEAR * (chart.x.high - chart.x.low) and not _is_within(one.points, x):
                point = None
        if point is not None:
            place = f" at {whole.x.exactly(point[0])}" if one.kind == "marks" else ""
            one = replace(one, name=f"{one.name} {point[1]:.5g}{place}")
        series.append(one)
    return replace(chart, series=tuple(series))


def nearest(points: Sequence[Point], x: float) -> Point | None:
    """The one of `points`, ascending, that is nearest to `x`."""
    after = bisect.bisect_left(points, x, key=_x)
    around = points[max(0, after - 1) : after + 1]
    return min(around, key=lambda point: abs(point[0] - x), default=None)


def _is_within(points: Sequence[Point], x: float) -> bool:
    return bool(points) and points[0][0] <= x <= points[-1][0]


def _part(series: Series, low: float, high: float) -> Series:
    """The points of a curve from `low` to `high`. A line is cut where it enters and leaves."""
    points = series.points
    first = bisect.bisect_left(points, low, key=_x)
    end = bisect.bisect_right(points, high, key=_x)
    inside = points[first:end]
    if series.kind == "line" and first < len(points) and end > 0:
        if first > 0 and (not inside or inside[0][0] > low):
            inside = (_between(points[first - 1], points[first], low), *inside)
        if end < len(points) and inside[-1][0] < high:
            inside = (*inside, _between(points[end - 1], points[end], high))
    labels = series.labels[first:end] if series.kind == "marks" else series.labels
    return replace(series, points=tuple(inside), labels=labels)


def _between(one: Point, other: Point, x: float) -> Point:
    share = (x - one[0]) / (other[0] - one[0]) if other[0] > one[0] else 0.0
    return x, one[1] + share * (other[1] - one[1])


def _x(point: Point) -> float:
    return point[0]
