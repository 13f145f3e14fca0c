"""A part of a chart, the points of its picture, and the values at one place."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.charts.braille import line_codes
from models.charts.chart import Chart, Series, chart_of
from models.charts.terminal_chart import column_at, draw_chart, plot_columns, x_at
from models.charts.zoom import fitted, nearest, with_values, zoomed

FALLING = tuple((float(x), 100.0 / x) for x in range(1, 1001))


def chart(log: bool = False) -> Chart:
    series = [Series("training", FALLING, 0, "line"), Series("validation", FALLING[::100], 1, "marks")]
    return chart_of(series, x_label="step", y_label="loss", is_time=False, log=log)


def test_a_part_has_its_points_and_both_axes_fit_it() -> None:
    part = zoomed(chart(), 200.5, 400.5)
    line, marks = part.series
    assert [line.points[0][0], line.points[1][0], line.points[-1][0]] == [200.5, 201.0, 400.5]
    assert marks.points == ((201.0, 100 / 201), (301.0, 100 / 301))
    assert (part.x.low, part.x.high) == (200.5, 400.5)
    assert part.y.low == pytest.approx(100 / 400.5, rel=1e-3) and part.y.high <= 100 / 200


def test_a_part_between_two_points_has_the_line_between_them() -> None:
    part = zoomed(chart(), 1.2, 1.6)
    (line,) = part.series
    assert line.points == (pytest.approx((1.2, 90.0)), pytest.approx((1.6, 70.0)))
    assert zoomed(chart(), 2000, 3000).series == ()


def test_a_picture_has_few_points_and_keeps_the_peaks() -> None:
    points = [(float(x), 1.0) for x in range(10_000)]
    points[7777] = (7777.0, 9.0)
    series = [Series("training", tuple(points), 0, "line")]
    picture = fitted(chart_of(series, x_label="step", y_label="", is_time=False, log=False), 100)
    assert len(picture.series[0].points) <= 400 and (7777.0, 9.0) in picture.series[0].points


def test_values_are_those_of_the_nearest_points() -> None:
    assert nearest(FALLING, 2.4) == FALLING[1] and nearest(FALLING, 1e9) == FALLING[-1]
    assert nearest((), 1.0) is None
    whole = chart()
    names = [one.name for one in with_values(fitted(whole, 10), whole, 250.2).series]
    assert names == ["training 0.4", "validation 0.49751 at 201"]
    short = chart_of(
        [Series("a", FALLING[:100], 0, "line"), Series("b", FALLING, 1, "line")],
        x_label="step", y_label="", is_time=False, log=False,
    )  # fmt: skip
    assert [one.name for one in with_values(short, short, 110.0).series] == ["a 1", "b 0.90909"]
    assert [one.name for one in with_values(short, short, 500.0).series] == ["a", "b 0.2"]


@pytest.mark.parametrize("log", [False, True])
def test_a_cursor_is_drawn_at_the_column_it_is_put_at(log: bool) -> None:
    drawn = chart(log)
    columns = plot_columns(drawn, 60, 8)
    for column in (0, 1, columns // 2, columns - 1):
        x = x_at(drawn, column, columns)
        assert column_at(drawn, x, columns) == column
        lines = draw_chart(drawn, 60, 8, cursor=x)
        assert lines[0][0][0] == f"step {round(x):,}"
        for line in lines[-10:-2]:
            cells = [(character, style) for part, style in line for character in part]
            character, style = cells[60 - columns + column]
            assert character == "│" or style.endswith(" reverse")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 15)), min_size=1, max_size=12))
def test_a_line_goes_through_all_its_points_without_a_gap(places: list[tuple[int, int]]) -> None:
    places.sort()
    dots = dots_of(line_codes(places, 10, 4))
    assert set(places) <= dots
    columns = [sorted(y for x, y in dots if x == column) for column in range(20)]
    used = [ys for ys in columns if ys]
    assert all(ys == list(range(ys[0], ys[-1] + 1)) for ys in used)
    assert len(used) == places[-1][0] - places[0][0] + 1
    for before, after in itertools.pairwise(used):
        assert before[0] - 1 <= after[-1] and after[0] - 1 <= before[-1], "neighbours touch"


def dots_of(codes: list[list[int]]) -> set[tuple[int, int]]:
    """The dots as (column from the left, row from the bottom)."""
    bits = {0x01: (0, 0), 0x02: (0, 1), 0x04: (0, 2), 0x40: (0, 3),
            0x08: (1, 0), 0x10: (1, 1), 0x20: (1, 2), 0x80: (1, 3)}  # fmt: skip
    return {
        (2 * column + across, 4 * len(codes) - 1 - (4 * row + down))
        for row, line in enumerate(codes)
        for column, code in enumerate(line)
        for bit, (across, down) in bits.items()
        if code & bit
    }


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [(1e18, 1e18 + 128), (1e308, 1e308), (-1.7e308, 1.7e308)])
def test_values_at_the_limits_of_numbers_are_drawn(values: tuple[float, float], log: bool) -> None:
    series = [Series("training", ((values[0], values[0]), (values[1], values[1])), 0, "line")]
    whole = chart_of(series, x_label="step", y_label="loss", is_time=False, log=log)
    for part in (whole, zoomed(whole, values[1] * 0.99, values[1])):
        assert draw_chart(part, 60, 10)
