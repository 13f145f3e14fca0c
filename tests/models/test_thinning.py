"""A curve with fewer points looks the same."""

import math

from hypothesis import given
from hypothesis import strategies as st

from models.charts.thinning import thinned

Y = st.floats(-1e9, 1e9)


@given(st.lists(Y, min_size=1, max_size=400), st.integers(1, 40))
def test_ends_and_extremes_stay_and_the_points_are_few(ys: list[float], columns: int) -> None:
    points = [(float(x), y) for x, y in enumerate(ys)]
    kept = thinned(points, columns)
    assert kept == sorted(kept) and set(kept) <= set(points)
    assert len(kept) <= 4 * (columns + 1)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert {min(y for _, y in kept), max(y for _, y in kept)} == {min(ys), max(ys)}


def test_the_extremes_of_each_column_stay() -> None:
    points = [(float(x), math.sin(x) + (50 if x == 777 else 0)) for x in range(1000)]
    kept = thinned(points, 20)
    assert (777.0, points[777][1]) in kept
    for start in range(0, 1000, 50):
        column = [y for x, y in kept if start <= x < start + 50]
        assert max(column) - min(column) > 1.9


def test_points_of_one_place_are_two() -> None:
    assert thinned([(1.0, float(y)) for y in range(100)], 4) == [(1.0, 0.0), (1.0, 99.0)]
