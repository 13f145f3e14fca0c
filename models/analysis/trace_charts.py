"""The passes of a trace as charts. Torch-free."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from models.charts.chart import Chart, Series, chart_of

if TYPE_CHECKING:
    from models.analysis.trace import PassFigures

_FIGURES: Mapping[str, "Callable[[PassFigures], float | None]"] = {
    "loss": lambda one: one.loss,
    "entropy in bits": lambda one: one.entropy,
    "norm of the state": lambda one: one.norm,
    "change from the pass before": lambda one: one.change,
    "cosine with the pass before": lambda one: one.cosine,
    "halting score": lambda one: one.halting,
}


def pass_charts(passes: "Sequence[PassFigures]") -> dict[str, Chart]:
    """Each figure against the passes in their order, with a line for each level, or a mark for a single pass.
    A figure that fewer than two passes have is left out."""
    levels = list(dict.fromkeys(one.level for one in passes))
    charts = {}
    for name, figure in _FIGURES.items():
        series = []
        for number, level in enumerate(levels):
            points = tuple(
                (float(place), value)
                for place, one in enumerate(passes, 1)
                if one.level == level and (value := figure(one)) is not None and math.isfinite(value)
            )
            if points:
                series.append(Series(level, points, number, "line" if len(points) > 1 else "marks"))
        if sum(len(one.points) for one in series) > 1:
            charts[name] = chart_of(series, x_label="pass", y_label="", is_time=False, log=False)
    return charts
