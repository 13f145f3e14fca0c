"""The losses of runs as a chart."""

from collections.abc import Mapping

from models.charts.chart import Chart, Point, Series, chart_of
from models.runs.loss_curves import SMOOTHED_SHARE, CurveAxis, LossCurves, LossPoint, smoothed


def chart_of_runs(
    runs: Mapping[str, LossCurves],
    *,
    axis: CurveAxis = "step",
    log: bool = False,
    smooth: float | None = None,
    share: float = SMOOTHED_SHARE,
) -> Chart:
    """The curves of `runs` by name.

    `smooth` is the weight of the moving average, 0 for the losses as they are. None: the average is taken
    over a `share` of each curve.
    """
    series = []
    for number, (name, curves) in enumerate(runs.items()):
        of_run = f"{name} " if len(runs) > 1 else ""
        losses = smoothed([point.loss for point in curves.training], smooth, share=share)
        line = [(point.at(axis), loss) for point, loss in zip(curves.training, losses, strict=True)]
        series.append(Series(f"{of_run}training", tuple(line), number, "line"))
        if curves.validation:
            series.append(Series(f"{of_run}validation", _places(curves.validation, axis), number, "marks"))
    return chart_of(series, x_label=axis, y_label="loss", is_time=axis == "time", log=log)


def _places(points: tuple[LossPoint, ...], axis: CurveAxis) -> tuple[Point, ...]:
    return tuple((point.at(axis), point.loss) for point in points)
