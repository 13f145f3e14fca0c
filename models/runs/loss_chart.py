"""The losses of runs as a chart."""

from collections.abc import Mapping

from models.charts.chart import Chart, Point, Series, chart_of
from models.charts.thinning import thinned
from models.runs.loss_curves import CurveAxis, LossCurves, LossPoint, smoothed


def chart_of_runs(
    runs: Mapping[str, LossCurves],
    *,
    axis: CurveAxis = "step",
    log: bool = False,
    smooth: float | None = None,
    columns: int | None = None,
) -> Chart:
    """The curves of `runs` by name.

    `smooth` is the weight of the moving average: None for the default, 0 for the losses as they are. With
    `columns`, the curves keep the points that shape them in a picture so wide.
    """
    series = []
    for number, (name, curves) in enumerate(runs.items()):
        of_run = f"{name} " if len(runs) > 1 else ""
        losses = smoothed([point.loss for point in curves.training], smooth)
        line = [(point.at(axis), loss) for point, loss in zip(curves.training, losses, strict=True)]
        if columns is not None:
            line = thinned(line, columns)
        series.append(Series(f"{of_run}training", tuple(line), number, "line"))
        if curves.validation:
            series.append(Series(f"{of_run}validation", _places(curves.validation, axis), number, "marks"))
    return chart_of(series, x_label=axis, y_label="loss", is_time=axis == "time", log=log)


def _places(points: tuple[LossPoint, ...], axis: CurveAxis) -> tuple[Point, ...]:
    return tuple((point.at(axis), point.loss) for point in points)
