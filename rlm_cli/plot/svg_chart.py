"""A chart as an SVG, and as a page of its own. Both load nothing, and are light or dark as the reader is."""

from collections.abc import Iterator, Sequence
from html import escape

from data.safe_text import safe_text
from models.charts.chart import Chart, Series

WIDTH, HEIGHT = 960, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 60, 50
_LEGEND_ROW, _LETTER = 20, 7.5
COLORS = ("#1f77b4", "#d9730d", "#2ca02c", "#c2185b", "#7b52c7", "#8c564b")
_ON_DARK = ("#6cb6ff", "#ffa657", "#7ee787", "#ff7bac", "#c8a6ff", "#d2a08f")


def _color_rules(colors: Sequence[str]) -> str:
    return "\n".join(
        f".chart .line.c{number} {{ stroke: {color} }} .chart .mark.c{number} {{ fill: {color} }}"
        for number, color in enumerate(colors)
    )


_STYLE = f"""
.chart {{ --paper: #ffffff; --ink: #1f2328; --grid: #d8dee4; font: 13px system-ui, sans-serif }}
.chart .paper {{ fill: var(--paper) }}
.chart text {{ fill: var(--ink) }}
.chart .title {{ font-size: 16px; font-weight: 600 }}
.chart .grid {{ stroke: var(--grid); stroke-width: 1 }}
.chart .line {{ fill: none; stroke-width: 1.8; stroke-linejoin: round }}
{_color_rules(COLORS)}
@media (prefers-color-scheme: dark) {{
.chart {{ --paper: #15181c; --ink: #e6e8eb; --grid: #343a42 }}
{_color_rules(_ON_DARK)}
}}
"""


def svg_chart(chart: Chart, title: str) -> str:
    """The chart as an SVG document. `title` and the names of the curves may be foreign text."""
    return svg_element(chart, title).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def svg_element(chart: Chart, title: str) -> str:
    """The same as a part of a page, which needs no namespace."""
    height = HEIGHT + _legend_height(chart)
    body = "\n".join(_elements(chart, title, height))
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def html_page(chart: Chart, title: str) -> str:
    """The chart as a page of its own."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n"
        "<style>body { margin: 0 } svg { display: block; width: 100%; max-height: 100vh }</style>\n"
        f"</head>\n<body>\n{svg_element(chart, title)}</body>\n</html>\n"
    )


def _elements(chart: Chart, title: str, height: int) -> Iterator[str]:
    top, bottom = _TOP + _legend_height(chart), height - _BOTTOM
    right = WIDTH - _RIGHT
    yield f'<rect class="paper" width="{WIDTH}" height="{height}"/>'
    yield f'<text class="title" x="{_LEFT}" y="24">{_text(title)}</text>'
    yield from _legend(chart)
    for value, text in chart.y.ticks(9):
        y = bottom - chart.y.place(value) * (bottom - top)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_text(text)}</text>'
    for value, text in chart.x.ticks(9):
        x = _LEFT + chart.x.place(value) * (right - _LEFT)
        yield f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{_text(text)}</text>'
    center, middle = (_LEFT + right) / 2, (top + bottom) / 2
    yield f'<text x="{center}" y="{height - 10}" text-anchor="middle">{chart.x.label}</text>'
    yield f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{chart.y.label}</text>'
    for series in chart.series:
        yield _curve(chart, series, top, bottom, right)


def _curve(chart: Chart, series: Series, top: float, bottom: float, right: float) -> str:
    places = [
        (_LEFT + chart.x.place(x) * (right - _LEFT), bottom - chart.y.place(y) * (bottom - top))
        for x, y in series.points
    ]
    color = series.number % len(COLORS)
    if series.kind == "line" and len(places) > 1:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline class="line c{color}" points="{points}"/>'
    mark = f'<circle class="mark c{color}" r="3.5"'
    marks = [f'{mark} cx="{x:.1f}" cy="{y:.1f}"/>' for x, y in places]
    labels = [
        f'<text x="{x + 7:.1f}" y="{y - 7:.1f}">{_text(label)}</text>'
        for (x, y), label in zip(places, series.labels, strict=bool(series.labels))
    ]
    return "".join([*marks, *labels])


def _legend(chart: Chart) -> Iterator[str]:
    for series, (x, y) in zip(chart.series, _legend_places(chart), strict=True):
        color = series.number % len(COLORS)
        if series.kind == "line":
            yield f'<polyline class="line c{color}" points="{x},{y - 4} {x + 18},{y - 4}"/>'
        else:
            yield f'<circle class="mark c{color}" cx="{x + 9}" cy="{y - 4}" r="3.5"/>'
        yield f'<text x="{x + 24}" y="{y}">{_text(series.name)}</text>'


def _legend_places(chart: Chart) -> list[tuple[float, int]]:
    """Where each entry of the legend begins, from left to right in rows."""
    places = []
    x, y = float(_LEFT), 46
    for series in chart.series:
        width = 44 + _LETTER * len(series.name)
        if x > _LEFT and x + width > WIDTH - _RIGHT:
            x, y = float(_LEFT), y + _LEGEND_ROW
        places.append((x, y))
        x += width
    return places


def _legend_height(chart: Chart) -> int:
    """What the rows of the legend after the first add to the height."""
    return max((y for _, y in _legend_places(chart)), default=46) - 46


def _text(text: str) -> str:
    return escape(safe_text(text))
