"""A benchmark's report as a table on the terminal, as Markdown, and as one HTML page without a network."""

import html
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.safe_text import safe_text
from rlm_cli.output import Output

if TYPE_CHECKING:
    from models.benchmark.report import Report, Table

_COMMENT = "<!-- results, "
_STYLE = """
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5f6670; --line: #d9dde3; --page: #ffffff;
  --band: #f4f6f8; --accent: #2563c9; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e8eb; --soft: #9aa3ad; --line: #3a4048; --page: #15181c; --band: #1e2227;
    --accent: #7cb0ff; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
  margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: 4px solid var(--accent); background: var(--band); padding: 0.5rem 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.soft { color: var(--soft); font-size: 0.9rem; }
svg { max-width: 100%; height: auto; }
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


def markdown(report: "Report", heading: str = "#") -> str:
    """The report as Markdown, under a heading of that level."""
    lines = [f"{heading} {_title(report)}", ""]
    lines += [line for verdict in report.verdicts for line in (verdict, "")]
    for table in report.tables:
        lines += [f"{heading}# {table.title}", "", _row([column.name for column in table.columns])]
        lines.append(_row(["---:" if column.format else "---" for column in table.columns]))
        lines += [_row(row) for row in cells(table)]
        lines.append("")
    lines += [f"* {note}" for note in report.notes]
    lines += ["", "Measured with: " + _environment(report) + "."]
    return safe_text("\n".join(lines)) + "\n"


def markdown_page(report: "Report", page: str = "") -> str:
    """A page with the report, or `page` with the report in place of an earlier one of the same subject.

    A report stands between two comments that name its subject. In a page that holds the results of other
    subjects alone, this one comes last.
    """
    start, end = (f"{_comment(word, report)}\n" for word in ("start", "end"))
    section = start + markdown(report, "##" if page else "#") + end
    before, _, rest = page.partition(start)
    _, ended, after = rest.partition(end)
    return before + section + after if ended or not page else f"{page.rstrip()}\n\n{section}"


def holds_results(page: str) -> bool:
    """Whether a Markdown page has a place for results."""
    return _COMMENT in page


def _comment(word: str, report: "Report") -> str:
    title = safe_text(_title(report)).replace("--", "- -")
    return f"{_COMMENT}{word} of: {title} -->"


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
    """The points of the table's plot as a picture, each named by its row."""
    from models.charts.chart import Series, chart_of
    from rlm_cli.plot.svg_chart import svg_element

    plot = table.plot
    assert plot is not None
    found = [
        ((float(x), float(y)), str(row[0]))
        for x, y, row in zip(table.column(plot.x), table.column(plot.y), table.rows, strict=True)
        if isinstance(x, int | float) and isinstance(y, int | float) and math.isfinite(x + y)
    ]
    if len(found) < 2:
        return ""
    points, names = tuple(point for point, _ in found), tuple(name for _, name in found)
    line = Series(plot.y, points, 0, "line")
    marks = Series(table.columns[0].name, points, 0, "marks", labels=names)
    chart = chart_of([line, marks], x_label=plot.x, y_label=plot.y, is_time=False, log=False)
    return svg_element(chart, f"{plot.y} against {plot.x}")
