"""The figures of a run in a few lines."""

from textual.reactive import reactive
from textual.widgets import Static

from tui.content import joined, lines
from tui.run_words import Row

_GAP = "   "


class RunFigures(Static):
    """Names and values, as many in a line as its width allows."""

    rows: reactive[tuple[Row, ...]] = reactive((), layout=True)

    def watch_rows(self) -> None:
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        self.update(lines([joined(*parts) for parts in _lines(self.rows, self.size.width or 80)]))


def _lines(rows: tuple[Row, ...], width: int) -> list[list[tuple[str, str]]]:
    """The rows as parts of lines of at most `width` characters."""
    found: list[list[tuple[str, str]]] = [[]]
    used = 0
    for name, value in rows:
        needed = len(name) + 1 + len(value)
        if used and used + len(_GAP) + needed > width:
            found.append([])
            used = 0
        gap = _GAP if used else ""
        found[-1] += [(f"{gap}{name} ", "$foreground-muted"), (value, "")]
        used += len(gap) + needed
    return found
