"""What a benchmark found, as tables of numbers with the machine they were measured on. Torch-free."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeGuard, get_args

from data.errors import UsageError
from data.text_table import TextTable

Value = str | int | float | bool | None
Better = Literal["", "lower", "higher", "above zero"]
FORMAT_VERSION = 1
_FORMAT = re.compile(r"(,?(d|\.\d[f%]))?")
"""The formats of columns. Any other could ask for a number of a gigabyte."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    format: str = ""
    """How a number is written, as a format specification; empty for text."""
    better: Better = ""
    """Which numbers are better. Empty: neither, or it depends."""

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
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The names of the rows of each group, which has its own colour. Empty: one line through all rows."""
    beside: tuple[str, ...] = ()
    """Other columns against the same one, a line each without marks."""
    log: bool = False
    """Whether both axes are logarithmic."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values. The first column names the row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    plot: Plot | None = None
    rivals: bool = False
    """Whether the rows are alternatives, of which the best may stand out."""

    def column(self, name: str) -> list[Value]:
        """The values of one column."""
        place = [column.name for column in self.columns].index(name)
        return [row[place] for row in self.rows]

    def texts(self) -> TextTable:
        """The values as they are shown."""
        rows = [
            tuple(column.text(value) for column, value in zip(self.columns, row, strict=True))
            for row in self.rows
        ]
        right = [one.name for one in self.columns if one.format]
        return TextTable([one.name for one in self.columns], rows, right)

    def judge(self, row: Sequence[Value], place: int) -> Literal["", "good", "bad"]:
        """Whether the cell at `place` of `row` is the best of its column, among rivals. A gain is good above
        zero and bad below, if it is more than the next column says chance makes of it."""
        column, value = self.columns[place], row[place]
        if not column.better or not is_number(value):
            return ""
        if column.better == "above zero":
            sure = row[place + 1] if place + 1 < len(row) else None
            if not is_number(sure) or abs(value) <= sure:
                return ""
            return "good" if value > 0 else "bad"
        if not self.rivals:
            return ""
        values = [one for one in self.column(column.name) if is_number(one)]
        best = max(values) if column.better == "higher" else min(values)
        return "good" if value == best and len(set(map(column.text, values))) > 1 else ""


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a value is one that can be compared."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one benchmark."""

    kind: str
    """speed, scan, learn or depth."""
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
    except (KeyError, TypeError, ValueError, OverflowError, StopIteration) as error:
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
    better = next(one for one in get_args(Better) if one == value.get("better", ""))
    return Column(name, form, better)


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
