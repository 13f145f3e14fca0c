"""Text as a widget shows it: as it is, never as markup and never with live control characters."""

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from data.safe_text import safe_text


def plain(text: str, style: str = "") -> Content:
    """`text` made safe, in one style."""
    return Content.styled(safe_text(text), style) if style else Content(safe_text(text))


def joined(*parts: tuple[str, str] | str) -> Content:
    """Several texts made safe, one after another, each with its style where it is a pair."""
    return Content.assemble(*(plain(part) if isinstance(part, str) else plain(*part) for part in parts))


def cut(text: str, cells: int) -> str:
    """One line of text, made safe, in at most `cells` cells. A longer one ends with an ellipsis."""
    text = safe_text(text)
    return text if cell_len(text) <= cells else set_cell_size(text, max(0, cells - 1)) + "…"


def padded(text: str, cells: int) -> str:
    """As `cut`, with blanks at the end up to `cells`."""
    shown = cut(text, cells)
    return shown + " " * (cells - cell_len(shown))


def lines(rows: list[Content]) -> Content:
    """The contents below each other."""
    return Content("\n").join(rows)
