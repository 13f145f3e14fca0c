"""Which sizes of a scan are measured: the small ones of all axes first, and no more than the time allows."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from data.errors import RlmError
from models.benchmark.scan_points import Measured
from models.device import is_out_of_memory
from models.runs.events import Event, PreparationAdvanced

_TIME, _STOPPED = "the time is used up", "stopped"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A size that was not measured, and why; those above it were not either."""

    axis: str
    size: int
    reason: str


Measure = Callable[[str, int], Generator[Event, None, Measured]]
"""Measures an axis at a size."""


@dataclass(slots=True)
class Schedule:
    """The sizes of all axes, in the order in which they are measured, and what came of them."""

    sizes: Mapping[str, Sequence[int]]
    """By axis, ascending."""
    limit_s: float
    work: Callable[[str, int], float]
    """Of an axis and a size, in any unit: twice as much takes twice as long at most."""
    obstacle: Callable[[str, int], str | None] = lambda axis, size: None
    """Why a size cannot be measured at all."""
    clock: Callable[[], float] = time.monotonic
    points: dict[str, list[Measured]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def run(self, measure: Measure) -> Generator[Event, None, None]:
        """Measure until there is nothing left or no time. After a KeyboardInterrupt the rest is skipped, if
        anything is measured by then."""
        began = self.clock()
        order = self._order()
        for number, (axis, size) in enumerate(order):
            if any(one.axis == axis for one in self.skipped):
                continue
            reason = self.obstacle(axis, size) or self._lacks_time(axis, size, began)
            if reason is not None:
                self.skipped.append(Skipped(axis, size, reason))
                continue
            try:
                yield PreparationAdvanced(stage=f"{axis} {size:,}", done=number, total=len(order))
                found = yield from _measured(measure, axis, size)
            except KeyboardInterrupt:
                if not self.points:
                    raise
                self._stop(order[number:])
                return
            if isinstance(found, Skipped):
                self.skipped.append(found)
            else:
                self.points.setdefault(axis, []).append(found)

    def _order(self) -> list[tuple[str, int]]:
        most = max((len(sizes) for sizes in self.sizes.values()), default=0)
        return [
            (axis, sizes[rank])
            for rank in range(most)
            for axis, sizes in self.sizes.items()
            if rank < len(sizes)
        ]

    def _lacks_time(self, axis: str, size: int, began: float) -> str | None:
        """The first point of all is always measured."""
        if not self.points:
            return None
        expected = 0.0
        if last := self.points.get(axis):
            expected = last[-1].least_s * self.work(axis, size) / self.work(axis, last[-1].size)
        left = self.limit_s - (self.clock() - began)
        return _TIME if left <= 0 or expected > left else None

    def _stop(self, rest: Sequence[tuple[str, int]]) -> None:
        for axis, size in rest:
            if all(one.axis != axis for one in self.skipped):
                self.skipped.append(Skipped(axis, size, _STOPPED))


def _measured(measure: Measure, axis: str, size: int) -> Generator[Event, None, Measured | Skipped]:
    """What was measured; where the disk or the memory did not suffice, that."""
    try:
        return (yield from measure(axis, size))
    except RlmError as error:
        return Skipped(axis, size, error.message.rstrip("."))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Skipped(axis, size, "out of memory")
