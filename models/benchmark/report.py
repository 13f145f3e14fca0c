"""What a benchmark found, as tables of numbers with the machine they were measured on. Torch-free."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from data.errors import UsageError

Value = str | int | float | bool | None
FORMAT_VERSION = 1
_FORMAT = re.compile(r"(,?(d|\.\d[f%]))?")
"""The formats of columns. Any other could ask for a number of a gigabyte."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    format: str = ""
    """How a number is written, as a format specification; empty for text."""

    def text(self, value: Value) -> str:
        """`value` as it is shown."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return format(value, self.format) if self.format and not isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of a table: one column against another."""

    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values. The first column names the row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    plot: Plot | None = None

    def column(self, name: str) -> list[Value]:
        """The values of one column."""
        place = [column.name for column in self.columns].index(name)
        return [row[place] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one benchmark."""

    kind: str
    """speed, learn or depth."""
    subject: str
    """The run or the text that was measured."""
    environment: Mapping[str, Value]
    """Versions, machine, commit and seed."""
    tables: tuple[Table, ...]
    verdicts: tuple[str, ...] = ()
    """What follows from the tables, in sentences."""
    notes: tuple[str, ...] = field(default=())
    """What a reader must know to judge the figures."""

    def to_json(self) -> dict[str, object]:
        """Plain values; `from_json` reads them again."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def from_json(value: object) -> Report:
    """The report that `to_json` wrote. Raises UsageError where it is none."""
    try:
        if not isinstance(value, dict) or value["format_version"] != FORMAT_VERSION:
            raise ValueError(FORMAT_VERSION)
        tables = tuple(_table(one) for one in value["tables"])
        texts = [tuple(str(one) for one in value[name]) for name in ("verdicts", "notes")]
        return Report(str(value["kind"]), str(value["subject"]), dict(value["environment"]), tables, *texts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError("This is no result of a benchmark.", hint="Write one with --json.") from error


def _table(value: Mapping[str, object]) -> Table:
    columns, rows = value["columns"], value["rows"]
    if not (isinstance(columns, list) and columns and isinstance(rows, list)):
        raise ValueError("a table without columns or rows")
    read = tuple(_column(one) for one in columns)
    return Table(str(value["name"]), str(value["title"]), read, tuple(_cells(row, read) for row in rows))


def _column(value: Mapping[str, object]) -> Column:
    name, form = str(value["name"]), str(value["format"])
    if not _FORMAT.fullmatch(form):
        raise ValueError(form)
    return Column(name, form)


def _cells(row: Sequence[object], columns: Sequence[Column]) -> tuple[Value, ...]:
    return tuple(_value(cell, column) for cell, column in zip(row, columns, strict=True))


def _value(cell: object, column: Column) -> Value:
    if cell is None or isinstance(cell, str | bool):
        return cell
    if not isinstance(cell, int | float):
        raise ValueError(cell)
    float(cell)  # raises OverflowError for a number that no share can be taken of
    column.text(cell)  # raises ValueError where the format is for other numbers
    return cell
