"""A benchmark's report as a table on the terminal, as Markdown, and as one HTML page without a network."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.safe_text import safe_text
from rlm_cli.output import Output
from rlm_cli.page import finding, note, page, text
from rlm_cli.page import table as html_table
from rlm_cli.plot.draw import show_chart
from rlm_cli.plot.svg_chart import svg_element

if TYPE_CHECKING:
    from models.benchmark.report import Report, Table, Value

_HEIGHT = 8
"""Of a picture on the terminal, in lines."""
_COMMENT = "<!-- results, "
_KINDS = {"better": "good", "worse": "bad"}
_SURE_VERDICT = re.compile(r"\b(better|worse) by [\d.]+(?= \(more than)")


def show(report: "Report", output: Output) -> None:
    """Print the tables, then what follows from them."""
    for number, table in enumerate(report.tables):
        if number:
            output.result()
        output.paragraph(table.title, style="bold")
        output.text_table(table.texts())
        if table.plot is not None and table.plot.beside:
            _draw(table, output)
    if report.verdicts:
        output.result()
        for verdict in report.verdicts:
            output.paragraph(verdict)
    for remark in report.notes:
        output.say(remark, style="dim")


def _draw(table: "Table", output: Output) -> None:
    """The picture of a table, for a reader of the terminal."""
    from models.benchmark.report_chart import chart_of_table

    chart = chart_of_table(table)
    if chart is not None and not output.is_json:
        show_chart(chart, output, height=_HEIGHT)


def markdown(report: "Report", heading: str = "#") -> str:
    """The report as Markdown, under a heading of that level."""
    lines = [f"{heading} {_title(report)}", ""]
    lines += [line for verdict in report.verdicts for line in (verdict, "")]
    for table in report.tables:
        lines += [f"{heading}# {table.title}", "", _row([column.name for column in table.columns])]
        lines.append(_row(["---:" if column.format else "---" for column in table.columns]))
        lines += [_row(row) for row in table.texts().rows]
        lines.append("")
    lines += [f"* {remark}" for remark in report.notes]
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
    return page(_title(report), _parts(report))


def _parts(report: "Report") -> Iterator[str]:
    yield note(_environment(report))
    yield from (finding(_colored(verdict)) for verdict in report.verdicts)
    for table in report.tables:
        yield f"<h2>{text(table.title)}</h2>"
        yield _picture(table)
        texts = table.texts()
        rows = (
            [_cell(table, row, place, cell) for place, cell in enumerate(shown)]
            for row, shown in zip(table.rows, texts.rows, strict=True)
        )
        yield html_table(texts.columns, rows, texts.right)
    yield from map(note, report.notes)


def _colored(verdict: str) -> str:
    """A verdict with what is better or worse by more than chance in colour."""
    return _SURE_VERDICT.sub(lambda found: f'<b class="{_KINDS[found[1]]}">{found[0]}</b>', text(verdict))


def _cell(table: "Table", row: Sequence["Value"], place: int, shown: str) -> str:
    kind = table.judge(row, place) or _KINDS.get(shown, "")
    return f'<b class="{kind}">{text(shown)}</b>' if kind else text(shown)


def _title(report: "Report") -> str:
    return f"Benchmark of {report.kind}: {report.subject}"


def _environment(report: "Report") -> str:
    return ", ".join(f"{name} {value}" for name, value in report.environment.items() if value is not None)


def _row(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


def _picture(table: "Table") -> str:
    """The points of the table's plot as a picture, each named by its row."""
    from models.benchmark.report_chart import chart_of_table

    chart = chart_of_table(table)
    if chart is None:
        return ""
    return svg_element(chart, f"{chart.y.label} against {chart.x.label}")
