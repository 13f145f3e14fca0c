"""A chart as an SVG: it loads nothing, and is light or dark as the reader is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from data.safe_text import safe_text
from models.charts.chart import Chart, Series
from rlm_cli.plot.palette import CURVES, DARK, LIGHT, Palette

_LEFT, _RIGHT, _BOTTOM = 70, 20, 50
_INSET = 10
"""Between the frame and the outermost points, so that marks and their labels have room."""
_TITLE_ROW, _LEGEND_ROW, _LETTER = 24, 20, 7.5


_Box = tuple[float, float, float]
"""The left and the right end of a text, and its base line."""


def _rules(colors: Palette) -> str:
    """Not variables, which few programs but browsers know."""
    rules = [
        f".chart .paper {{ fill: {colors.page} }}",
        f".chart text {{ fill: {colors.text} }}",
        f".chart .grid {{ stroke: {colors.line} }}",
    ]
    for number, color in enumerate(colors.curves):
        rules.append(f".chart .line.c{number} {{ stroke: {color} }}")
        rules.append(f".chart .mark.c{number} {{ fill: {color} }}")
    return "\n".join(rules)


STYLE = f"""
.chart {{ font: 13px system-ui, sans-serif }}
.chart .title {{ font-size: 16px; font-weight: 600 }}
.chart .grid {{ stroke-width: 1 }}
.chart .line {{ fill: none; stroke-width: 1.8; stroke-linejoin: round }}
{_rules(LIGHT)}
@media (prefers-color-scheme: dark) {{
{_rules(DARK)}
}}
"""
"""CSS of every chart."""


@dataclass(frozen=True, slots=True)
class Size:
    """In pixels. A legend of several rows makes a chart higher."""

    width: int = 960
    height: int = 540


LARGE = Size()
SMALL = Size(470, 280)
"""For two charts side by side."""


def svg_chart(chart: Chart, title: str) -> str:
    """The chart as an SVG document. `title` and the names of the curves may be foreign text."""
    element = svg_element(chart, title).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return element.replace("</title>", f"</title>\n<style>{STYLE}</style>", 1)


def svg_element(chart: Chart, title: str, size: Size = LARGE) -> str:
    """The same as a part of a page, which needs `STYLE` once and no namespace."""
    body = "\n".join(_elements(chart, title, size))
    height = size.height + _legend_height(chart, size)
    return (
        f'<svg class="chart" viewBox="0 0 {size.width} {height}" role="img">\n'
        f"<title>{_text(title)}</title>\n{body}\n</svg>\n"
    )


def _elements(chart: Chart, title: str, size: Size) -> Iterator[str]:
    legend = _legend_height(chart, size)
    height = size.height + legend
    top, bottom, right = _TITLE_ROW + _LEGEND_ROW + 16 + legend, height - _BOTTOM, size.width - _RIGHT
    yield f'<rect class="paper" width="{size.width}" height="{height}"/>'
    yield f'<text class="title" x="{_LEFT}" y="{_TITLE_ROW}">{_text(title)}</text>'
    yield from _legend(chart, size)
    for value, text in chart.y.ticks(max(2, size.height // 55)):
        y = _within(bottom, top, chart.y.place(value))
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_text(text)}</text>'
    for value, text in chart.x.ticks(max(2, size.width // 100)):
        x = _within(_LEFT, right, chart.x.place(value))
        yield f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{_text(text)}</text>'
    center, middle = (_LEFT + right) / 2, (top + bottom) / 2
    yield f'<text x="{center}" y="{height - 10}" text-anchor="middle">{_text(chart.x.label)}</text>'
    turned = f'transform="translate(18 {middle}) rotate(-90)"'
    yield f'<text {turned} text-anchor="middle">{_text(chart.y.label)}</text>'
    taken: list[_Box] = []
    for series in chart.series:
        places = [
            (_within(_LEFT, right, chart.x.place(x)), _within(bottom, top, chart.y.place(y)))
            for x, y in series.points
        ]
        yield _curve(series, places)
        for (x, y), label in zip(places, series.labels, strict=bool(series.labels)):
            yield _label(label, x, y, right, taken)


def _within(start: float, end: float, share: float) -> float:
    """Where a share of an axis is between two sides of the frame."""
    inset = _INSET if end > start else -_INSET
    return start + inset + share * (end - start - 2 * inset)


def _curve(series: Series, places: Sequence[tuple[float, float]]) -> str:
    color = series.number % CURVES
    if series.kind == "line" and len(places) > 1:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline class="line c{color}" points="{points}"/>'
    mark = f'<circle class="mark c{color}" r="3.5"'
    return "".join(f'{mark} cx="{x:.1f}" cy="{y:.1f}"/>' for x, y in places)


def _label(text: str, x: float, y: float, right: float, taken: list[_Box]) -> str:
    """A text beside a mark, at the first of its corners where it fits and covers no other text."""
    width = _LETTER * len(text)
    corners = [(left, left + width, y + down) for left in (x + 7, x - 7 - width) for down in (-7, 16)]
    inside = [one for one in corners if one[0] >= _LEFT and one[1] <= right]
    free = [one for one in inside if not any(_overlap(one, other) for other in taken)]
    chosen = (free or inside or corners)[0]
    taken.append(chosen)
    end = chosen[0] < x
    place = f'x="{chosen[1] if end else chosen[0]:.1f}" y="{chosen[2]:.1f}"'
    anchor = ' text-anchor="end"' if end else ""
    return f"<text {place}{anchor}>{_text(text)}</text>"


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and abs(one[2] - other[2]) < _LETTER * 1.8


def _legend(chart: Chart, size: Size) -> Iterator[str]:
    for series, (x, y) in zip(chart.series, _legend_places(chart, size), strict=True):
        color = series.number % CURVES
        if series.kind == "line":
            yield f'<polyline class="line c{color}" points="{x},{y - 4} {x + 18},{y - 4}"/>'
        else:
            yield f'<circle class="mark c{color}" cx="{x + 9}" cy="{y - 4}" r="3.5"/>'
        yield f'<text x="{x + 24}" y="{y}">{_text(series.name)}</text>'


def _legend_places(chart: Chart, size: Size) -> list[tuple[float, int]]:
    """Where each entry of the legend begins, from left to right in rows."""
    places = []
    x, y = float(_LEFT), _TITLE_ROW + _LEGEND_ROW + 2
    for series in chart.series:
        width = 44 + _LETTER * len(series.name)
        if x > _LEFT and x + width > size.width - _RIGHT:
            x, y = float(_LEFT), y + _LEGEND_ROW
        places.append((x, y))
        x += width
    return places


def _legend_height(chart: Chart, size: Size) -> int:
    """What the rows of the legend after the first add to the height."""
    first = _TITLE_ROW + _LEGEND_ROW + 2
    return max((y for _, y in _legend_places(chart, size)), default=first) - first


def _text(text: str) -> str:
    return escape(safe_text(text))
