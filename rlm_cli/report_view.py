"""A benchmark's report as a table on the terminal, as Markdown, and as one HTML page without a network."""

import html
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.safe_text import safe_text
from rlm_cli.output import Output

if TYPE_CHECKING:
    from models.benchmark.report import Report, Table

_WIDTH, _HEIGHT, _MARGIN = 640, 280, 52
_TICKS = 5
_STYLE = """
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5f6670; --line: #d9dde3; --page: #ffffff;
  --band: #f4f6f8; --c0: #2563c9; --c1: #c2410c; --c2: #15803d; --c3: #7e22ce; --c4: #0e7490; --c5: #a16207; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e8eb; --soft: #9aa3ad; --line: #3a4048; --page: #15181c; --band: #1e2227;
    --c0: #7cb0ff; --c1: #ff9d6b; --c2: #6fdc8c; --c3: #cf9bff; --c4: #67d5ea; --c5: #e6c35c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
  margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: 4px solid var(--c0); background: var(--band); padding: 0.5rem 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.soft { color: var(--soft); font-size: 0.9rem; }
svg { max-width: 100%; height: auto; }
text { fill: var(--soft); font-size: 12px; }
.axis { stroke: var(--line); }
.curve { fill: none; stroke-width: 2; }
"""


def show(report: "Report", output: Output) -> None:
    """Print the tables, then what follows from them."""
    for number, table in enumerate(report.tables):
        if number:
            output.result()
        output.result(table.title, style="bold")
        names = [column.name for column in table.columns]
        output.table(names, list(cells(table)), right=[one.name for one in table.columns if one.format])
    if report.verdicts:
        output.result()
        for verdict in report.verdicts:
            output.result(verdict)
    for note in report.notes:
        output.say(note, style="dim")


def cells(table: "Table") -> Iterator[tuple[str, ...]]:
    """The rows as they are shown."""
    for row in table.rows:
        yield tuple(column.text(value) for column, value in zip(table.columns, row, strict=True))


def markdown(report: "Report") -> str:
    """The report as a Markdown page."""
    lines = [f"# {_title(report)}", ""]
    lines += [line for verdict in report.verdicts for line in (verdict, "")]
    for table in report.tables:
        lines += [f"## {table.title}", "", _row([column.name for column in table.columns])]
        lines.append(_row(["---:" if column.format else "---" for column in table.columns]))
        lines += [_row(row) for row in cells(table)]
        lines.append("")
    lines += [f"* {note}" for note in report.notes]
    lines += ["", "Measured with: " + _environment(report) + "."]
    return safe_text("\n".join(lines)) + "\n"


def html_page(report: "Report") -> str:
    """The report as one self-contained page: tables and pictures, no script and no network."""
    parts = [f"<h1>{_text(_title(report))}</h1>", f'<p class="soft">{_text(_environment(report))}</p>']
    parts += [f'<p class="verdict">{_text(verdict)}</p>' for verdict in report.verdicts]
    for table in report.tables:
        parts.append(f"<h2>{_text(table.title)}</h2>")
        if table.plot is not None:
            parts.append(_picture(table))
        head = "".join(f"<th>{_text(column.name)}</th>" for column in table.columns)
        rows = ("".join(f"<td>{_text(cell)}</td>" for cell in row) for row in cells(table))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        parts.append(f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>')
    parts += [f'<p class="soft">{_text(note)}</p>' for note in report.notes]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_text(_title(report))}</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _title(report: "Report") -> str:
    return f"Benchmark of {report.kind}: {report.subject}"


def _environment(report: "Report") -> str:
    return ", ".join(f"{name} {value}" for name, value in report.environment.items() if value is not None)


def _text(text: str) -> str:
    return html.escape(safe_text(text))


def _row(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


def _picture(table: "Table") -> str:
    """The points of the table's plot, each named by its row, joined where they belong together."""
    plot = table.plot
    assert plot is not None
    xs, ys = table.column(plot.x), table.column(plot.y)
    lines = [""] * len(xs) if plot.line is None else [str(one) for one in table.column(plot.line)]
    points = [
        (line, float(x), float(y), str(row[0]))
        for line, x, y, row in zip(lines, xs, ys, table.rows, strict=True)
        if isinstance(x, int | float) and isinstance(y, int | float) and math.isfinite(x + y)
    ]
    if len(points) < 2:
        return ""
    across, up = _Scale.of([x for _, x, _, _ in points]), _Scale.of([y for _, _, y, _ in points])
    drawn = [_axes(across, up, plot.x, plot.y)]
    for number, line in enumerate(dict.fromkeys(lines)):
        own = [(across.place(x), up.place(y), name) for of, x, y, name in points if of == line]
        places = [
            (_MARGIN + (_WIDTH - 2 * _MARGIN) * x, _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * y, name)
            for x, y, name in own
        ]
        colour = f"var(--c{number % 6})"
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        drawn.append(f'<polyline class="curve" stroke="{colour}" points="{path}"/>')
        for x, y, name in places:
            title = f"<title>{_text(name)}</title>"
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">{title}</circle>')
            label = _text(name if plot.line is None else "")
            drawn.append(f'<text x="{x + 6:.1f}" y="{y - 6:.1f}">{label}</text>')
        if line and places:
            x, y, _ = places[-1]
            drawn.append(f'<text x="{x + 6:.1f}" y="{y - 6:.1f}">{_text(line)}</text>')
    label = _text(f"{plot.y} against {plot.x}")
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(drawn)}</svg>'


class _Scale:
    """The numbers of an axis, with some room on both sides."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Scale":
        low, high = min(values), max(values)
        room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        return cls(low - room, high + room)

    def place(self, value: float) -> float:
        """From 0 to 1."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """A few round numbers."""
        rough = (self.high - self.low) / _TICKS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


def _axes(across: _Scale, up: _Scale, x_name: str, y_name: str) -> str:
    right, bottom = _WIDTH - _MARGIN, _HEIGHT - _MARGIN
    drawn = []
    for value in across.ticks():
        x = _MARGIN + (right - _MARGIN) * across.place(value)
        drawn.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:.6g}</text>')
    for value in up.ticks():
        y = bottom - (bottom - _MARGIN) * up.place(value)
        drawn.append(f'<line class="axis" x1="{_MARGIN}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="{_MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>')
    drawn.append(f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{_text(x_name)}</text>')
    drawn.append(f'<text x="8" y="20">{_text(y_name)}</text>')
    return "".join(drawn)
