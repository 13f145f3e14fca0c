"""How a cost grows along an axis, beside the growth that the counts allow."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.wording import byte_size
from models.benchmark.scan_axes import COSTS, MEMORY, OF_BYTES
from models.benchmark.scan_points import Measured

TOLERANCE = 0.15
"""Of an exponent. A time that is a tenth off changes it so, where the size has doubled."""
_DEAR = 1.5
"""A cost that has grown so many times as much as what is counted is named."""
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_LAST = 3
"""The points at the end of an axis that a limit is compared at. Fixed costs count least there."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One cost along one axis, at ascending sizes, two or more."""

    axis: str
    cost: str
    sizes: tuple[int, ...]
    largest: float
    """The cost at the last size, in seconds or bytes."""
    measured: tuple[float, ...]
    """The cost, at the first size 1."""
    ideal: tuple[float, ...]
    """What is counted, at the first size 1."""
    fastest_part: str | None
    """The part of it that grows fastest over the last points; None where it has one part."""
    limit: float
    """The exponent of that part there."""

    @property
    def exponent(self) -> float:
        """What the size is raised to: 1 where twice the size costs twice as much."""
        return exponent(self.sizes, self.measured)

    @property
    def ideal_exponent(self) -> float:
        """The same for what is counted."""
        return exponent(self.sizes, self.ideal)

    @property
    def last_exponent(self) -> float:
        """The measured exponent over the last points."""
        return exponent(self.sizes[-_LAST:], self.measured[-_LAST:])

    @property
    def exceeds_every_part(self) -> bool:
        """Whether it has grown more than what is counted, and at the end faster than any part of it: no
        weighting of the parts explains that. Where it has grown less, small sizes had an advantage that they
        lose, such as weights that fit into a cache."""
        return self.ratio > 1 and self.last_exponent > self.limit + TOLERANCE

    @property
    def ratio(self) -> float:
        """How much more the cost has grown than what is counted, from the first size to the last."""
        return self.measured[-1] / self.ideal[-1]


def growths(axis: str, points: Sequence[Measured]) -> Iterator[Growth]:
    """The growth of each cost of an axis; nothing where there are fewer than two points."""
    if len(points) < 2:
        return
    points = sorted(points, key=lambda one: one.size)
    sizes = tuple(one.size for one in points)
    for cost in COSTS[axis]:
        if not all(cost in one.costs for one in points):
            continue
        found = [one.costs[cost] for one in points]
        counts = [sum(one.must[cost].values()) for one in points]
        limits = {
            part: exponent(sizes[-_LAST:], [one.must[cost][part] for one in points[-_LAST:]])
            for part in points[0].must[cost]
        }
        part, limit = max(limits.items(), key=lambda one: one[1])
        measured = tuple(value / found[0] for value in found)
        ideal = tuple(value / counts[0] for value in counts)
        yield Growth(axis, cost, sizes, found[-1], measured, ideal, part if len(limits) > 1 else None, limit)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of the line of least squares through the logarithms of two or more points. Values of 0 give
    0."""
    if min(values) <= 0:
        return 0.0
    xs, ys = [math.log(one) for one in sizes], [math.log(one) for one in values]
    middle_x, middle_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    across = math.fsum((x - middle_x) ** 2 for x in xs)
    return math.fsum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / across


def verdicts(found: Sequence[Growth]) -> list[str]:
    """In sentences: what grows faster than it must, and what costs much more than is counted. Of an axis with
    fewer than three points nothing is said."""
    judged = [one for one in found if len(one.sizes) >= _LAST]
    sentences = [_too_fast(one) for one in judged if one.exceeds_every_part]
    if judged and not sentences:
        axes = dict.fromkeys(one.axis for one in judged)
        sentences.append(f"Nothing grows faster than it must along {_listed([*axes])}.")
    sentences += [_dear(one) for one in judged if one.ratio > _DEAR and not one.exceeds_every_part]
    if rest := dict.fromkeys(one.axis for one in found if one not in judged):
        sentences.append(f"Too few sizes to judge: {_listed([*rest])}.")
    return sentences


def _too_fast(one: Growth) -> str:
    part = one.fastest_part or "the ideal"
    return (
        f"{name(one)} grows faster than it must: at the end with the exponent {one.last_exponent:.2f}, where "
        f"that of {part} is {one.limit:.2f}. At {one.sizes[-1]:,} it is {_amount(one)}."
    )


def _dear(one: Growth) -> str:
    part = one.fastest_part or "the ideal"
    why = f": operations of {part} take longer than others" if one.fastest_part else ""
    return (
        f"{name(one)} has grown {one.ratio:.1f} times as much as what is counted{why}. At the end its "
        f"exponent is {one.last_exponent:.2f}, and that of {part} {one.limit:.2f}."
    )


def _amount(one: Growth) -> str:
    """The cost at the last size, in words: "38 ns a token"."""
    if one.cost == MEMORY:
        return byte_size(one.largest)
    scale, unit = next((pair for pair in _SECONDS if one.largest >= pair[0]), _SECONDS[-1])
    return f"{one.largest / scale:.3g} {unit} a {'byte' if one.cost in OF_BYTES else 'token'}"


def name(growth: Growth) -> str:
    """The cost and the axis, as a row and a sentence name them: "Training by width"."""
    return f"{growth.cost.capitalize()} by {growth.axis}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
