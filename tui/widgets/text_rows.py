"""Many rows of text, of which only those in sight are drawn."""

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget


class TextRows(Widget):
    """Shows rows that fit its width, each in one line. It is as high as there are rows."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Content] = ()

    def show(self, rows: Sequence[Content]) -> None:
        """Show these rows."""
        is_as_high = len(rows) == len(self._rows)
        self._rows = rows
        self.refresh(layout=not is_as_high)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._rows)

    def render_line(self, y: int) -> Strip:
        width, style = self.size.width, self.visual_style
        if y >= len(self._rows):
            return Strip.blank(width, style.rich_style)
        return Visual.to_strips(self, self._rows[y], width, 1, style)[0]
