"""Shows charts of losses in the terminal, and writes them to files."""

import shutil
import sys
from pathlib import Path

from data.errors import RlmError
from models.charts.chart import Chart
from models.charts.terminal_chart import draw_chart
from models.runs.history import History
from models.runs.loss_chart import chart_of_runs
from models.runs.loss_curves import LossCurves
from rlm_cli.output import Output

FEWEST_STEPS = 20
"""A training with fewer steps is not shown as a curve at its end."""
_SMALL_HEIGHT = 8


def show_chart(chart: Chart, output: Output, *, to_stderr: bool = False, height: int | None = None) -> None:
    """Draw a chart as wide as the terminal."""
    size = shutil.get_terminal_size()
    stream = sys.stderr if to_stderr else sys.stdout
    braille = (getattr(stream, "encoding", None) or "").lower().startswith("utf")
    lines = draw_chart(chart, size.columns - 1, height or min(20, max(6, size.lines - 6)), braille=braille)
    output.styled_lines(lines, to_stderr=to_stderr)


def show_curve_at_end(history: History, output: Output) -> None:
    """A small curve of a training that has ended, where it has enough steps."""
    curves = LossCurves.of(history)
    if len(curves.training) >= FEWEST_STEPS:
        output.say()
        show_chart(chart_of_runs({"": curves}), output, to_stderr=True, height=_SMALL_HEIGHT)


def file_content(chart: Chart, path: Path, title: str) -> bytes:
    """The chart as a file with the ending of `path`: .svg, .html or .png. Raises RlmError."""
    match path.suffix.lower():
        case ".svg":
            from rlm_cli.plot.svg_chart import svg_chart

            return svg_chart(chart, title).encode()
        case ".html":
            return _page(chart, title).encode()
        case ".png":
            from rlm_cli.plot.png_chart import png_chart

            return png_chart(chart, title)
    raise RlmError(f"'{path}' is no picture that rlm can draw.", hint="End its name in .svg, .html or .png.")


def _page(chart: Chart, title: str) -> str:
    """The chart, and how low each of its curves goes; the lowest curve of each kind stands out."""
    from rlm_cli.page import page, table, text
    from rlm_cli.plot.svg_chart import svg_element

    lowest = {series.name: min(y for _, y in series.points) for series in chart.series}
    kinds = [[one.name for one in chart.series if one.kind == kind] for kind in ("line", "marks")]
    best = {min(names, key=lowest.__getitem__) for names in kinds if len(names) > 1}
    rows = []
    for series in chart.series:
        low = f"{lowest[series.name]:.4f}"
        shown = f'<b class="good">{low}</b>' if series.name in best else low
        rows.append((text(series.name), shown, f"{series.points[-1][1]:.4f}"))
    return page(title, [svg_element(chart, ""), table(("curve", "lowest", "last"), rows, ("lowest", "last"))])
