"""Two results of the same benchmark, side by side. Torch-free."""

from data.errors import UsageError
from models.benchmark.report import Column, Report, Table, Value

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
    if any(name in _MACHINE for name in differing):
        notes.insert(0, "These are two machines, or one that was set up differently: times do not compare.")
    by_name = {table.name: table for table in second.tables}
    tables = tuple(_compared(table, by_name[table.name]) for table in first.tables if table.name in by_name)
    subject = first.subject if first.subject == second.subject else f"{first.subject} and {second.subject}"
    return Report(first.kind, subject, {}, tables, notes=tuple(notes))


def _compared(first: Table, second: Table) -> Table:
    names = [column.name for column in second.columns]
    others = {row[0]: dict(zip(names, row, strict=True)) for row in second.rows}
    rows: list[tuple[Value, ...]] = []
    for row in first.rows:
        other = others.get(row[0], {})
        for column, before in zip(first.columns[1:], row[1:], strict=True):
            after = other.get(column.name)
            if not (_is_number(before) and _is_number(after)) or _is_setting(column):
                continue
            assert isinstance(before, int | float) and isinstance(after, int | float)
            share = after / before if before else None
            rows.append((row[0], column.name, column.text(before), column.text(after), share))
    columns = (
        Column(first.columns[0].name),
        Column("figure"),
        Column("first"),
        Column("second"),
        Column("second/first", ".3f"),
    )
    return Table(first.name, first.title, columns, tuple(rows))


def _is_setting(column: Column) -> bool:
    """Whether a column says what was measured, or how surely, and not what came out."""
    return column.format == "d" or column.name in ("spread", "share", "±")


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
