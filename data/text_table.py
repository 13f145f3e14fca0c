"""A table of texts. A narrow place leaves out some of its columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

GAP = 2
"""Cells between two columns."""
WRAP_WIDTH = 20
"""Cells that a wrapped column needs. The rest of its text continues below."""
LEAST_WRAP_WIDTH = 6
"""Cells that it gets where there are no more."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of texts under the names of columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    """The columns of numbers, which end at one place."""
    optional: Sequence[str] = ()
    """The columns that are left out where it is narrow, in this order."""
    wrap: Sequence[str] = ()
    """The columns whose texts may go on in further lines."""

    def widths(self, measure: Callable[[str], int] = len) -> list[int]:
        """Of the columns, in cells. `measure` gives the cells of a text."""
        texts = zip(self.columns, *self.rows, strict=True)
        return [max(map(measure, (column, *cells))) for column, *cells in texts]

    def least_width(self, measure: Callable[[str], int] = len, wrap_width: int = LEAST_WRAP_WIDTH) -> int:
        """The cells that the table needs, with at most `wrap_width` for each column of `wrap`."""
        widths = [
            min(cells, wrap_width) if column in self.wrap else cells
            for column, cells in zip(self.columns, self.widths(measure), strict=True)
        ]
        return sum(widths) + GAP * (len(widths) - 1)

    def fitted(self, width: int, measure: Callable[[str], int] = len) -> "TextTable":
        """The table without the optional columns that do not fit into `width` cells."""
        widths = [
            min(cells, WRAP_WIDTH) if column in self.wrap else cells
            for column, cells in zip(self.columns, self.widths(measure), strict=True)
        ]
        places, optional = list(range(len(self.columns))), list(self.optional)
        for column in self.optional:
            if sum(widths[place] + GAP for place in places) - GAP <= width:
                break
            places.remove(self.columns.index(column))
            optional.remove(column)
        rows = [[row[place] for place in places] for row in self.rows]
        shown = [self.columns[place] for place in places]
        return TextTable(shown, rows, self.right, optional, self.wrap)
