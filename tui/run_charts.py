"""The charts of one run: its losses, its dials, and the loss by depth. Needs neither torch nor textual."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from models.charts.chart import Chart, Point, Series, chart_of
from models.charts.thinning import thinned
from models.depth import MODES
from models.runs.events import StepFinished
from models.runs.loss_curves import CurveAxis, smoothed
from tui.run_feed import RunView

ChartName = Literal["loss", "rate", "gradient", "speed", "modes"]
_LABELS: dict[ChartName, str] = {
    "loss": "loss",
    "rate": "learning rate",
    "gradient": "gradient norm",
    "speed": "tokens/s",
    "modes": "training loss",
}
_VALUES: dict[ChartName, Callable[[StepFinished], float]] = {
    "rate": lambda step: step.learning_rate,
    "gradient": lambda step: step.gradient_norm,
    "speed": lambda step: step.tokens_per_second,
}
_BY_CYCLES = {depth.cycles: mode for mode, depth in MODES.items()}


def chart_of_view(view: RunView, name: ChartName, *, axis: CurveAxis, log: bool, columns: int) -> Chart:
    """A chart of the run. `log` is of the values; `columns` are those of the picture, for thinning."""
    if name == "loss":
        series = _losses(view, axis)
    elif name == "modes":
        series = _by_depth(view, axis)
    else:
        points = [(_place(step, axis), _VALUES[name](step)) for step in view.steps]
        series = [Series(_LABELS[name], tuple(points), 0, "line")]
    thin = [Series(one.name, _fitted(one, columns), one.number, one.kind) for one in series]
    return chart_of(thin, x_label=axis, y_label=_LABELS[name], is_time=axis == "time", log=log, log_x=False)


def _losses(view: RunView, axis: CurveAxis) -> list[Series]:
    series = [_smooth("training, smoothed", view.steps, axis, 0)]
    places = {} if axis == "step" else {step.step: _place(step, axis) for step in view.steps}
    known = sorted(places)
    validation = []
    for one in view.evaluations:
        place = one.step if axis == "step" else places.get(one.step)
        if place is None and known:  # the history holds only some of the steps
            place = places[min(known, key=lambda step: abs(step - one.step))]
        if place is not None and math.isfinite(one.validation_loss):
            validation.append((float(place), one.validation_loss, one.best))
    series.append(Series("validation", tuple((x, y) for x, y, _ in validation), 1, "marks"))
    best = [(x, y) for x, y, is_best in validation if is_best][-1:]
    return [*series, Series("best", tuple(best), 3, "marks")]


def _by_depth(view: RunView, axis: CurveAxis) -> list[Series]:
    """The training loss of the steps that drew each number of cycles."""
    groups: dict[int, list[StepFinished]] = {}
    for step in view.steps:
        groups.setdefault(_cycles(step.depth), []).append(step)
    series = []
    for number, cycles in enumerate(sorted(groups)):
        mode = f" ({_BY_CYCLES[cycles]})" if cycles in _BY_CYCLES else ""
        name = f"{cycles} cycle{'s' if cycles > 1 else ''}{mode}"
        series.append(_smooth(name, groups[cycles], axis, number))
    return series


def _cycles(depth: str) -> int:
    """The cycles of a depth such as 3x2."""
    first = depth.partition("x")[0]
    return int(first) if first.isdecimal() and len(first) < 5 else 0


def _smooth(name: str, steps: Sequence[StepFinished], axis: CurveAxis, number: int) -> Series:
    finite = [step for step in steps if math.isfinite(step.loss)]
    means = smoothed([step.loss for step in finite])
    places = (_place(step, axis) for step in finite)
    return Series(name, tuple(zip(places, means, strict=True)), number, "line")


def _place(step: StepFinished, axis: CurveAxis) -> float:
    if axis == "time":
        return step.elapsed_s
    return float(step.step if axis == "step" else step.tokens_seen)


def _fitted(series: Series, columns: int) -> tuple[Point, ...]:
    return tuple(thinned(list(_finite(series.points)), columns)) if series.kind == "line" else series.points


def _finite(points: Iterable[Point]) -> Iterable[Point]:
    return ((x, y) for x, y in points if math.isfinite(x) and math.isfinite(y))
