"""A chart as an SVG: it loads nothing, and is light or dark as the reader is."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from data.safe_text import safe_text
from models.charts.chart import Chart, Series
from rlm_cli.plot.palette import CURVES, DARK, LIGHT, Palette

_LEFT, _RIGHT, _BOTTOM = 70, 20, 50
_TITLE_ROW, _LEGEND_ROW, _LETTER = 24, 20, 7.5


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
        y = bottom - chart.y.place(value) * (bottom - top)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_text(text)}</text>'
    for value, text in chart.x.ticks(max(2, size.width // 100)):
        x = _LEFT + chart.x.place(value) * (right - _LEFT)
        yield f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{_text(text)}</text>'
    center, middle = (_LEFT + right) / 2, (top + bottom) / 2
    yield f'<text x="{center}" y="{height - 10}" text-anchor="middle">{_text(chart.x.label)}</text>'
    turned = f'transform="translate(18 {middle}) rotate(-90)"'
    yield f'<text {turned} text-anchor="middle">{_text(chart.y.label)}</text>'
    for series in chart.series:
        yield _curve(chart, series, top, bottom, right)


def _curve(chart: Chart, series: Series, top: float, bottom: float, right: float) -> str:
    places = [
        (_LEFT + chart.x.place(x) * (right - _LEFT), bottom - chart.y.place(y) * (bottom - top))
        for x, y in series.points
    ]
    color = series.number % CURVES
    if series.kind == "line" and len(places) > 1:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline class="line c{color}" points="{points}"/>'
    mark = f'<circle class="mark c{color}" r="3.5"'
    marks = [f'{mark} cx="{x:.1f}" cy="{y:.1f}"/>' for x, y in places]
    labels = [
        _label(label, x, y, right) for (x, y), label in zip(places, series.labels, strict=bool(series.labels))
    ]
    return "".join([*marks, *labels])


def _label(text: str, x: float, y: float, right: float) -> str:
    """A text beside a mark: on its right where there is room."""
    if x + 7 + _LETTER * len(text) <= right:
        return f'<text x="{x + 7:.1f}" y="{y - 7:.1f}">{_text(text)}</text>'
    return f'<text x="{x - 7:.1f}" y="{y - 7:.1f}" text-anchor="end">{_text(text)}</text>'


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
