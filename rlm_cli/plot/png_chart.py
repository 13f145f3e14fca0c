"""A chart as a PNG. Only this needs matplotlib, which is an extra."""

import io

from data.errors import RlmError
from data.safe_text import safe_text
from models.charts.chart import Chart
from rlm_cli.plot.palette import CURVES, LIGHT


def png_chart(chart: Chart, title: str) -> bytes:
    """The chart as a PNG. Raises RlmError where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RlmError(
            "A PNG needs matplotlib, which is not installed.",
            hint="Install it: pip install matplotlib (the extra rlm[plot]). Or write an .svg or .html.",
        ) from error
    figure = Figure(figsize=(9.6, 5.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for series in chart.series:
        xs, ys = zip(*series.points, strict=True)
        look = {"linewidth": 1.2} if series.kind == "line" else {"linestyle": "", "marker": "o"}
        color = LIGHT.curves[series.number % CURVES]
        axes.plot(xs, ys, color=color, label=_literal(series.name), **look)
    axes.set(xscale="log" if chart.x.log else "linear", yscale="log" if chart.y.log else "linear")
    for axis, scale in ((axes.xaxis, chart.x), (axes.yaxis, chart.y)):
        values, texts = zip(*scale.ticks(9), strict=True)
        axis.set_ticks(values, labels=texts)
        axis.set_ticks((), minor=True)
    axes.set(xlabel=chart.x.label, ylabel=chart.y.label, title=_literal(title))
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _literal(text: str) -> str:
    """Text that matplotlib does not read as a formula, and whose label it does not hide."""
    return safe_text(text).replace("$", r"\\$").lstrip("_")
