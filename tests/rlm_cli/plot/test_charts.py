"""A chart fits its width, has round numbers at its axes, and draws text from elsewhere harmlessly."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import RlmError
from data.format import format_duration
from models.charts.chart import Axis, Chart, Series, chart_of
from models.charts.terminal_chart import draw_chart
from rlm_cli.plot.draw import file_content
from rlm_cli.plot.png_chart import png_chart
from rlm_cli.plot.svg_chart import svg_chart

FALLING = tuple((float(x), 1 + 4 / x) for x in range(1, 60))
HOSTILE = "\x1b[2J</text><script>alert(1)</script>$"


def chart(*series: Series, log: bool = False, is_time: bool = False) -> Chart:
    shown = series or (Series("training", FALLING, 0, "line"), Series("validation", FALLING[::9], 0, "marks"))
    return chart_of(shown, x_label="step", y_label="loss", is_time=is_time, log=log)


def text_of(lines: list[list[tuple[str, str]]]) -> list[str]:
    return ["".join(part for part, _ in line) for line in lines]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("width", [20, 40, 50, 80, 140])
def test_a_chart_fits_its_width_and_height(width: int, log: bool) -> None:
    lines = text_of(draw_chart(chart(log=log), width, 10))
    assert max(map(len, lines)) <= width
    body = [line for line in lines if "│" in line or "┤" in line]
    assert len(body) == 10 and not any("\x1b" in line for line in lines)
    assert sum("┤" in line for line in body) >= 2 and "┬" in lines[-2]
    first, last = body[0].split("│")[-1].split("┤")[-1], body[-1]
    assert first.strip() and last.strip(" │┤0123456789."), "the ends of the curve are on the chart"
    assert "o" in "".join(body)


def test_each_run_has_its_color_and_mark_and_ascii_does_without_braille() -> None:
    runs = [Series(f"run {n}", tuple((x, y + n) for x, y in FALLING), n, "marks") for n in range(3)]
    lines = draw_chart(chart(*runs), 60, 12)
    assert {style for line in lines for part, style in line if set(part) & set("ox+")} >= {
        "bold cyan", "bold yellow", "bold magenta",
    }  # fmt: skip
    plain = "".join(text_of(draw_chart(chart(), 60, 12, braille=False)))
    assert plain.isascii() and "." in plain and "|" in plain


@settings(max_examples=30)
@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.booleans(), st.booleans(), st.integers(2, 12))
def test_ticks_are_few_distinct_and_inside(
    low: float, width: float, log: bool, time: bool, most: int
) -> None:
    write = format_duration if time else (lambda value: f"{value:.4g}")
    ticks = Axis("x", low, low + width, log, write, time).ticks(most)
    values = [value for value, _ in ticks]
    assert len(ticks) <= most and values == sorted(values)
    assert all(low <= value <= low + width for value in values)
    assert len({text for _, text in ticks}) == len(ticks)


def test_times_are_at_whole_minutes() -> None:
    axis = Axis("time", 0, 1500, False, format_duration, is_time=True)
    assert [text for _, text in axis.ticks(6)] == ["0:00", "5:00", "10:00", "15:00", "20:00", "25:00"]


def test_a_flat_curve_and_a_single_point_can_be_drawn() -> None:
    for points in (((1.0, 2.0), (2.0, 2.0)), ((5.0, 2.0),)):
        drawn = chart(Series("training", points, 0, "line"))
        assert any(ord(one) > 0x2800 for line in text_of(draw_chart(drawn, 40, 8)) for one in line)
        ElementTree.fromstring(svg_chart(drawn, "one"))


def page_of(drawn: Chart, title: str) -> str:
    return file_content(drawn, Path("page.html"), title).decode()


@pytest.mark.parametrize("make", [svg_chart, page_of])
def test_a_picture_is_complete_in_itself(make) -> None:
    many = [Series(f"{HOSTILE} {n}", FALLING, n, kind) for n in range(7) for kind in ("line", "marks")]
    page = make(chart(*many), HOSTILE)
    assert "<script" not in page and "\x1b" not in page
    assert page.replace("http://www.w3.org/2000/svg", "").count("http") == 0, "it loads nothing"
    assert "prefers-color-scheme: dark" in page
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert len([one for one in svg.iter() if one.tag.endswith("polyline")]) == 14


def test_a_png_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(RlmError, match="matplotlib") as caught:
        png_chart(chart(), "loss")
    assert "rlm[plot]" in str(caught.value.hint)


def test_a_png_is_one() -> None:
    pytest.importorskip("matplotlib")
    assert png_chart(chart(log=True), HOSTILE).startswith(b"\x89PNG")
