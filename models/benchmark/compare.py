"""Two results of the same benchmark, side by side. Torch-free."""

import math
from collections.abc import Iterator, Sequence

from data.errors import UsageError
from data.wording import counted
from models.benchmark.report import Column, Report, Table, Value, is_number

_VERDICT = "the second is"
_MACHINE = ("machine", "cores", "threads", "device")


def compare(first: Report, second: Report) -> Report:
    """Every number that both have, and the second as a share of the first.

    Raises UsageError for results of two kinds. Results of two machines are compared, and that is said.
    """
    if first.kind != second.kind:
        raise UsageError(
            f"One is a result of {first.kind}, the other of {second.kind}.",
            hint="Compare two of the same kind.",
        )
    differing = [
        name
        for name in sorted({*first.environment, *second.environment})
        if first.environment.get(name) != second.environment.get(name)
    ]
    notes = [
        f"{name}: {first.environment.get(name)} and {second.environment.get(name)}." for name in differing
    ]
    verdicts = []
    if any(name in _MACHINE for name in differing):
        verdicts.append("These are two machines, or one that was set up differently: times do not compare.")
    by_name = {table.name: table for table in second.tables}
    tables = tuple(_compared(table, by_name[table.name]) for table in first.tables if table.name in by_name)
    found = [table.column(_VERDICT) for table in tables]
    better, worse = (sum(column.count(word) for column in found) for word in ("better", "worse"))
    verdicts.append(
        f"The second is better in {counted(better, 'figure')} and worse in {counted(worse, 'figure')}, "
        "by more than the spread where there is one."
    )
    subject = first.subject if first.subject == second.subject else f"{first.subject} and {second.subject}"
    return Report(first.kind, subject, {}, tables, tuple(verdicts), tuple(notes))


def _compared(first: Table, second: Table) -> Table:
    others = {row[0]: row for row in second.rows}
    rows = [
        cells
        for row in first.rows
        if row[0] in others
        for cells in _figures(first, second, row, others[row[0]])
    ]
    columns = (
        Column(first.columns[0].name),
        Column("figure"),
        Column("first"),
        Column("second"),
        Column("second/first", ".3f"),
        Column(_VERDICT),
    )
    return Table(first.name, first.title, columns, tuple(rows))


def _figures(
    first: Table, second: Table, row: Sequence[Value], other: Sequence[Value]
) -> Iterator[tuple[Value, ...]]:
    """A row for each number that both rows have."""
    names = [column.name for column in second.columns]
    for place, column in list(enumerate(first.columns))[1:]:
        if _is_setting(column) or column.name not in names:
            continue
        there = names.index(column.name)
        before, after = row[place], other[there]
        if not (is_number(before) and is_number(after)):
            continue
        chance = max(_spread(first, row, place), _spread(second, other, there))
        texts = column.text(before), column.text(after)
        verdict = _verdict(column, after - before, chance if texts[0] != texts[1] else math.inf)
        yield row[0], column.name, *texts, after / before if before else None, verdict


def _spread(table: Table, row: Sequence[Value], place: int) -> float:
    """What the next column says chance makes of a number; 0 where it says nothing."""
    if place + 1 == len(row) or table.columns[place + 1].name != "spread":
        return 0.0
    spread = row[place + 1]
    return float(spread) if is_number(spread) else 0.0


def _verdict(column: Column, difference: float, chance: float) -> str:
    if column.better not in ("lower", "higher"):
        return ""
    if abs(difference) <= chance:
        return "the same"
    return "better" if (difference > 0) == (column.better == "higher") else "worse"


def _is_setting(column: Column) -> bool:
    """Whether a column says what was measured, or how surely, and not what came out."""
    return column.format == "d" or column.name in ("spread", "share", "±")
