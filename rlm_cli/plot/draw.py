"""From the losses of runs to a chart."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from data.errors import RlmError
from models.charts.chart import Chart, Series, chart_of
from models.charts.terminal_chart import draw_chart
from models.runs.history import History
from models.runs.loss_curves import CurveAxis, LossCurves, LossPoint, smoothed
from rlm_cli.output import Output

FEWEST_STEPS = 20
"""A training with fewer steps is not shown as a curve at its end."""
_SMALL_HEIGHT = 8
_LABELS: Mapping[CurveAxis, str] = {"step": "step", "tokens": "tokens", "time": "time"}


def chart_of_runs(
    runs: Mapping[str, LossCurves],
    *,
    axis: CurveAxis = "step",
    log: bool = False,
    smooth: float | None = None,
) -> Chart:
    """The curves of `runs` by name. `smooth` is the weight of the moving average: None for the default, 0 for
    the losses as they are."""
    series = []
    for number, (name, curves) in enumerate(runs.items()):
        of_run = f"{name} " if len(runs) > 1 else ""
        losses = smoothed([point.loss for point in curves.training], smooth)
        line = tuple((point.at(axis), loss) for point, loss in zip(curves.training, losses, strict=True))
        series.append(Series(f"{of_run}training", line, number, "line"))
        if curves.validation:
            series.append(Series(f"{of_run}validation", _places(curves.validation, axis), number, "marks"))
    return chart_of(series, x_label=_LABELS[axis], y_label="loss", is_time=axis == "time", log=log)


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
            from rlm_cli.plot.svg_chart import html_page

            return html_page(chart, title).encode()
        case ".png":
            from rlm_cli.plot.png_chart import png_chart

            return png_chart(chart, title)
    raise RlmError(f"'{path}' is no picture that rlm can draw.", hint="End its name in .svg, .html or .png.")


def _places(points: tuple[LossPoint, ...], axis: CurveAxis) -> tuple[tuple[float, float], ...]:
    return tuple((point.at(axis), point.loss) for point in points)
