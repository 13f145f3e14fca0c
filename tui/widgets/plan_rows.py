"""A plan as a table of names and values, with what is to be said of it."""

from collections.abc import Sequence

from textual.widgets import Static

from tui.content import lines, plain
from tui.run_words import Row
from tui.widgets.two_columns import two_columns


class PlanRows(Static):
    """Remarks, and below them the table."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._remarks: Sequence[tuple[str, str]] = ()

    def show(self, rows: Sequence[Row], remarks: Sequence[tuple[str, str]]) -> None:
        """Show names and values, and remarks with their styles."""
        self._rows, self._remarks = rows, remarks
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        parts = [plain(*remark) for remark in self._remarks]
        if parts and self._rows:
            parts.append(plain(""))
        self.update(lines([*parts, *two_columns(self._rows, self.size.width)]))
