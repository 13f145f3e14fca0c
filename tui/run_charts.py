"""The charts of one run: its losses, its dials, the loss by depth, and the passes. Needs neither torch nor
textual."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from models.charts.chart import Chart, Point, Series, chart_of
from models.charts.zoom import nearest
from models.depth import MODES
from models.runs.events import StepFinished
from models.runs.loss_curves import CurveAxis, interpolated, smoothed
from tui.chart_view import Dials
from tui.run_feed import HappeningKind, RunView

ChartName = Literal["loss", "rate", "gradient", "speed", "modes", "passes"]
_LABELS: dict[ChartName, str] = {
    "loss": "loss",
    "rate": "learning rate",
    "gradient": "gradient norm",
    "speed": "tokens/s",
    "modes": "training loss",
    "passes": "passes per token",
}
_VALUES: dict[ChartName, Callable[[StepFinished], float]] = {
    "rate": lambda step: step.learning_rate,
    "gradient": lambda step: step.gradient_norm,
    "speed": lambda step: step.tokens_per_second,
}
_BY_CYCLES = {depth.cycles: mode for mode, depth in MODES.items()}
_NUMBERS: dict[HappeningKind, int] = {"left out": 4, "went back": 5, "grown": 2}
"""The colours and marks of what happened, which the losses do not have."""


def chart_of_view(view: RunView, name: ChartName, dials: Dials) -> Chart | None:
    """A chart of the run. A logarithmic axis is that of the values. None before the first step."""
    if not view.steps:
        return None
    axis = dials.axis
    if name == "loss":
        series = _losses(view, dials)
    elif name == "modes":
        series = _by_depth(view.steps, dials)
    elif name == "passes":
        series = _passes(view, dials)
    else:
        points = _finite((_place(step, axis), _VALUES[name](step)) for step in view.steps)
        series = [Series(_LABELS[name], points, 0, "line")]
    return chart_of(
        series, x_label=axis, y_label=_LABELS[name], is_time=axis == "time", log=dials.log, log_x=False
    )


def _losses(view: RunView, dials: Dials) -> list[Series]:
    training = _smooth("training", view.steps, lambda step: step.loss, dials, 0)
    validation = _evaluated(view, dials.axis, [one.validation_loss for one in view.evaluations])
    best = [] if view.best is None else [(view.best.step, view.best.validation_loss)]
    series = [
        training,
        Series("validation", validation, 1, "marks"),
        Series("best", _placed(view, dials.axis, best), 3, "marks"),
    ]
    for kind, number in _NUMBERS.items():
        steps = [(one.step, 0.0) for one in view.happenings if one.kind == kind]
        near = ((x, nearest(training.points, x)) for x, _ in _placed(view, dials.axis, steps))
        points = sorted((x, point[1]) for x, point in near if point is not None)
        series.append(Series(kind, tuple(points), number, "marks"))
    return series


def _passes(view: RunView, dials: Dials) -> list[Series]:
    training = _smooth("training", view.steps, _passes_of, dials, 0)
    values = [math.nan if one.passes_per_token is None else one.passes_per_token for one in view.evaluations]
    return [training, Series("validation", _evaluated(view, dials.axis, values), 1, "marks")]


def _passes_of(step: StepFinished) -> float:
    return math.nan if step.passes_per_token is None else step.passes_per_token


def _evaluated(view: RunView, axis: CurveAxis, values: Sequence[float]) -> tuple[Point, ...]:
    """What each evaluation found, at its place."""
    steps = [one.step for one in view.evaluations]
    return _placed(view, axis, list(zip(steps, values, strict=True)))


def _placed(view: RunView, axis: CurveAxis, values: Sequence[tuple[int, float]]) -> tuple[Point, ...]:
    """Values by their steps at their places on an axis: between the steps that are held, in proportion."""
    if axis == "step" or not values:
        return _finite((float(step), value) for step, value in values)
    numbers = [step.step for step in view.steps]
    places = [_place(step, axis) for step in view.steps]
    return _finite((interpolated(step, numbers, places), value) for step, value in values)


def _by_depth(steps: Sequence[StepFinished], dials: Dials) -> list[Series]:
    """The training loss of the steps that drew each number of cycles."""
    groups: dict[int, list[StepFinished]] = {}
    for step in steps:
        groups.setdefault(_cycles(step.depth), []).append(step)
    series = []
    for number, cycles in enumerate(sorted(groups)):
        mode = f" ({_BY_CYCLES[cycles]})" if cycles in _BY_CYCLES else ""
        name = f"{cycles} cycle{'s' if cycles > 1 else ''}{mode}"
        points = _smooth(name, groups[cycles], lambda step: step.loss, dials, number).points
        series.append(Series(name, points, number, "line"))
    return series


def _cycles(depth: str) -> int:
    """The cycles of a depth such as 3x2."""
    first = depth.partition("x")[0]
    return int(first) if first.isdecimal() and len(first) < 5 else 0


def _smooth(
    name: str,
    steps: Sequence[StepFinished],
    value: Callable[[StepFinished], float],
    dials: Dials,
    number: int,
) -> Series:
    places = _finite((_place(step, dials.axis), value(step)) for step in steps)
    means = smoothed([y for _, y in places], share=dials.smoothing)
    points = tuple((x, mean) for (x, _), mean in zip(places, means, strict=True))
    return Series(f"{name}, smoothed" if dials.smoothing else name, points, number, "line")


def _place(step: StepFinished, axis: CurveAxis) -> float:
    if axis == "time":
        return step.elapsed_s
    return float(step.step if axis == "step" else step.tokens_seen)


def _finite(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in points if math.isfinite(x) and math.isfinite(y))
