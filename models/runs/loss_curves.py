"""The losses of a training as curves: by step, by tokens read, or by time trained. Torch-free."""

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from models.runs.events import EvaluationFinished, StepFinished
from models.runs.history import History

CurveAxis = Literal["step", "tokens", "time"]
SMOOTHED_SHARE = 0.01
"""The share of a curve that the default smoothing averages over."""


@dataclass(frozen=True, slots=True)
class LossPoint:
    """A loss, and how far the training had come. In nats per token, for puzzles per asked cell."""

    step: int
    tokens: int
    """Tokens read."""
    elapsed_s: float
    """Seconds trained, over all sittings."""
    loss: float

    def at(self, axis: CurveAxis) -> float:
        """The place of the point on an axis."""
        return {"step": float(self.step), "tokens": float(self.tokens), "time": self.elapsed_s}[axis]


@dataclass(frozen=True, slots=True)
class LossCurves:
    """The losses of the steps that count, and of the evaluations, ascending."""

    training: tuple[LossPoint, ...]
    validation: tuple[LossPoint, ...]

    @classmethod
    def of(cls, history: History) -> "LossCurves":
        """The curves of a training. Losses that are not finite are left out."""
        steps = history.steps
        training = (
            LossPoint(one.step, one.tokens_seen, one.elapsed_s, one.loss)
            for one in steps
            if math.isfinite(one.loss)
        )
        return cls(tuple(training), tuple(_validation(history.evaluations, steps)))


def smoothed(
    losses: Sequence[float], weight: float | None = None, *, share: float = SMOOTHED_SHARE
) -> list[float]:
    """The exponential moving average: each value counts `weight` (0 to below 1) times as much as the next.

    None: a weight that averages over `share` of the curve. The start is corrected for the values that it
    lacks, as in Adam (Kingma and Ba 2015, arXiv 1412.6980).
    """
    weight = weight_over(share, len(losses)) if weight is None else weight
    average, total, result = 0.0, 0.0, []
    for loss in losses:
        average = weight * average + (1 - weight) * loss
        total = weight * total + (1 - weight)
        result.append(average / total)
    return result


def weight_over(share: float, points: int) -> float:
    """The weight of `smoothed` that averages over a share of so many points."""
    return 1 - 1 / max(1.0, share * points)


def _validation(
    evaluations: Sequence[EvaluationFinished], steps: Sequence[StepFinished]
) -> Iterator[LossPoint]:
    """The validation losses. Tokens and time come from the steps around each evaluation."""
    numbers = [0, *(one.step for one in steps)]
    tokens = [0.0, *(float(one.tokens_seen) for one in steps)]
    seconds = [0.0, *(one.elapsed_s for one in steps)]
    for one in evaluations:
        if math.isfinite(one.validation_loss):
            yield LossPoint(
                one.step,
                round(interpolated(one.step, numbers, tokens)),
                interpolated(one.step, numbers, seconds),
                one.validation_loss,
            )


def interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The value at `x` on the line through the points around it; that of the last point beyond it."""
    after = bisect.bisect_left(xs, x)
    if after == len(xs):
        return ys[-1]
    if after == 0 or xs[after] == x:
        return ys[after]
    share = (x - xs[after - 1]) / (xs[after] - xs[after - 1])
    return ys[after - 1] + share * (ys[after] - ys[after - 1])
