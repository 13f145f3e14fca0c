"""What a chart shows: lines and marks on two axes, with round numbers at the axes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from data.format import format_duration, format_short_count

_LEAST_SPAN = 2e-3
"""Of the y-axis, as a share of its numbers: four digits tell its ticks apart."""
_LARGEST = 1e300
"""Of a value that is drawn: the difference of two of them is a number."""
Point = tuple[float, float]
_ROUND = (1, 2, 5)
_ROUND_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0)


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one curve, ascending. A chart draws a line, or a mark at each point."""

    name: str
    points: tuple[Point, ...]
    number: int
    """Of the run. The curves of a run have one colour."""
    kind: Literal["line", "marks"]
    labels: tuple[str, ...] = ()
    """A text beside each mark, in a picture. Empty: none."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, linear or logarithmic."""

    label: str
    low: float
    high: float
    log: bool
    write: Callable[[float], str]
    is_time: bool = False
    whole: bool = False
    """Whether only whole numbers are round."""

    def place(self, value: float) -> float:
        """Where a value is between the ends: 0 at `low`, 1 at `high`; the middle where these are one."""
        low, high, value = (math.log(one) if self.log else one for one in (self.low, self.high, value))
        return (value - low) / (high - low) if high > low else 0.5

    def value(self, place: float) -> float:
        """The value at a place between the ends: what `place` turns back."""
        if self.log:
            return self.low * (self.high / self.low) ** place
        return self.low + (self.high - self.low) * place

    def exactly(self, value: float) -> str:
        """A value with more digits than at a tick."""
        return self.write(value) if self.is_time or not self.whole else f"{round(value):,}"

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """At most `most` round numbers within the axis, and their texts."""
        for values in self._choices():
            inside = [value for value in values if self.low <= value <= self.high]
            if len(inside) <= max(1, most):
                break
        by_text = {self.write(value): value for value in reversed(inside)}
        return [(value, text) for text, value in reversed(by_text.items())]

    def _choices(self) -> Iterator[list[float]]:
        """Lists of round numbers, each with fewer than the one before."""
        if self.log and self.high / self.low >= 10:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                yield [factor * 10.0**decade for decade in decades for factor in factors]
            for every in range(2, len(decades) + 2):
                yield [10.0**decade for decade in decades[::every]]
            return
        for step in self._steps():
            first = math.floor(self.low / step)
            count = math.ceil(self.high / step) - first + 1
            if count < 1000:
                yield [(first + number) * step for number in range(count)]

    def _steps(self) -> Iterator[float]:
        if self.is_time:
            yield from (step for step in _ROUND_SECONDS if step > (self.high - self.low) / 100)
        power = math.floor(math.log10(self.high - self.low)) - 2
        unit = 3600.0 if self.is_time else 10.0**power
        while True:
            yield from (unit * step for step in _ROUND if unit * step >= 1 or not self.whole)
            unit *= 10


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves on two axes."""

    series: tuple[Series, ...]
    x: Axis
    y: Axis


def chart_of(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    is_time: bool,
    log: bool,
    log_x: bool | None = None,
) -> Chart:
    """A chart with axes that all points fit on. `log` is of both axes, unless `log_x` says otherwise.

    Logarithmic axes leave out points that are not above 0, and all axes those at the limits of numbers.
    """
    log_x = log if log_x is None else log_x
    kept = [_drawable(one, log_x, log) for one in series]
    xs = [x for one in kept for x, _ in one.points]
    ys = [y for one in kept for _, y in one.points]
    write = format_duration if is_time else _short
    return Chart(
        tuple(one for one in kept if one.points),
        Axis(x_label, *_span(xs), log_x, write, is_time, whole=not is_time),
        Axis(y_label, *_span(ys, _LEAST_SPAN), log, lambda value: f"{value:.4g}"),
    )


def value_axis(axis: Axis, values: Sequence[float]) -> Axis:
    """The y-axis of a chart that shows these values."""
    low, high = _span(values, _LEAST_SPAN)
    return replace(axis, low=low, high=high)


def _drawable(series: Series, log_x: bool, log_y: bool) -> Series:
    """A curve without the points that its axes cannot show. Its marks lose their labels with them."""
    least_x, least_y = (0.0 if log else -_LARGEST for log in (log_x, log_y))
    points = tuple((x, y) for x, y in series.points if least_x < x < _LARGEST and least_y < y < _LARGEST)
    return series if len(points) == len(series.points) else replace(series, points=points, labels=())


def _short(number: float) -> str:
    """2000 as 2k, 1500 as 1.5k."""
    return format_short_count(number).replace(".0", "")


def _span(values: Sequence[float], least: float = 0.0) -> tuple[float, float]:
    """The least and the greatest of `values`, a little apart where they are one, and at least the share
    `least` of the greatest apart."""
    low, high = min(values, default=1.0), max(values, default=1.0)
    if not high > low:
        return low - 0.05 * abs(low) - 1e-9, high + 0.05 * abs(high) + 1e-9
    more = max(0.0, least * max(abs(low), abs(high)) - (high - low)) / 2
    return low - more, high + more
