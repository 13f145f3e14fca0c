"""The report of a scan: a table and a picture of each cost along each axis, and how fast each grows."""

from collections.abc import Mapping, Sequence

from models.benchmark.report import Column, Plot, Report, Table, Value
from models.benchmark.scan_axes import CORPUS, COSTS, MEMORY
from models.benchmark.scan_growth import Growth, growths, name, verdicts
from models.benchmark.scan_points import MEGABYTE, Measured

_MEASURED, _IDEAL, _RATIO = "times the first", "ideal", "measured/ideal"
_SUMMARY = (
    Column("cost"),
    Column("sizes"),
    Column("exponent", ".2f", "lower"),
    Column("ideal exponent", ".2f"),
    Column(_RATIO, ".2f", "lower"),
)
_UNITS = {"preparing": ("MB/s", ",.1f"), "opening": ("MB/s", ",.0f"), MEMORY: ("MB", ",.0f")}


def scan_report(
    subject: str,
    environment: Mapping[str, Value],
    points: Mapping[str, Sequence[Measured]],
    notes: Sequence[str] = (),
) -> Report:
    """The tables of the axes in `points`, and last the one of exponents."""
    tables = [
        _table(axis, cost, measured)
        for axis, measured in points.items()
        for cost in COSTS[axis]
        if all(cost in one.costs for one in measured)
    ]
    found = [growth for axis, measured in points.items() for growth in growths(axis, measured)]
    rows = tuple(_summary(growth) for growth in found)
    if rows:
        tables.append(Table("growth", "How fast each cost grows", _SUMMARY, rows))
    return Report(
        kind="scan",
        subject=subject,
        environment=environment,
        tables=tuple(tables),
        verdicts=tuple(verdicts(found)),
        notes=(_MEANING, *notes),
    )


_MEANING = (
    "Times are of one token, or of one byte where a corpus is prepared and opened. Their ideal is the "
    "counted operations of matrix products. Memory is the most above what the process had before, and its "
    "ideal what a plan estimates. Along the corpus the ideal is a constant, and memory that of the process. "
    "In the last table, measured/ideal is of the last size."
)


def _summary(growth: Growth) -> tuple[Value, ...]:
    sizes = f"{growth.sizes[0]:,} to {growth.sizes[-1]:,}{' MB' * (growth.axis == CORPUS)}"
    return name(growth), sizes, growth.exponent, growth.ideal_exponent, growth.ratio


def _table(axis: str, cost: str, measured: Sequence[Measured]) -> Table:
    size = f"{axis} MB" if axis == CORPUS else axis
    unit, form = _UNITS.get(cost, ("tokens/s", ",.0f"))
    columns = (
        Column(size, ",d"),
        Column(unit, form, "lower" if cost == MEMORY else "higher"),
        Column(_MEASURED, ".2f", "lower"),
        Column(_IDEAL, ".2f"),
        Column(_RATIO, ".2f", "lower"),
    )
    first = measured[0]
    rows = []
    for one in measured:
        value = one.costs[cost]
        shown = value / MEGABYTE if cost == MEMORY else 1 / value / (MEGABYTE if unit == "MB/s" else 1)
        grown = value / first.costs[cost]
        ideal = sum(one.must[cost].values()) / sum(first.must[cost].values())
        rows.append((one.size, shown, grown, ideal, grown / ideal))
    plot = Plot(size, _MEASURED, beside=(_IDEAL,), log=True)
    return Table(f"{cost} by {axis}", f"{cost.capitalize()} by {axis}", columns, tuple(rows), plot)
