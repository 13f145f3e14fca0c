"""Fewer points for a curve that has more of them than a chart has columns."""

from collections.abc import Sequence

Point = tuple[float, float]


def thinned(points: Sequence[Point], columns: int) -> list[Point]:
    """The points that shape the curve when it is drawn in so many columns of equal width.

    Of each column these are the first and the last one, the lowest and the highest, in their order: at most
    four, so that no peak is lost. `points` are (x, y), ascending by x, and y is finite.
    """
    if len(points) <= 4 * columns:
        return list(points)
    start, width = points[0][0], points[-1][0] - points[0][0]
    if width <= 0:
        return [points[0], points[-1]]
    scale = columns / width
    kept: list[Point] = []
    column, first, low, high, last = 0, 0, 0, 0, 0
    lowest = highest = points[0][1]
    for place, (x, y) in enumerate(points):
        here = int((x - start) * scale)
        if here > column:
            kept += (points[one] for one in sorted({first, low, high, last}))
            column, first, low, high = here, place, place, place
            lowest = highest = y
        elif y < lowest:
            low, lowest = place, y
        elif y > highest:
            high, highest = place, y
        last = place
    kept += (points[one] for one in sorted({first, low, high, last}))
    return kept
