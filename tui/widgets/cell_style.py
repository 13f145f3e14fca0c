"""The colours of a cell, and the marks that replace them where there are none."""

from tui.puzzle_solve import Cell

_MARKS = (("*", "is_changed"), ("!", "in_conflict"), ("×", "is_wrong"))
"""What follows a symbol where there are no colours, the most important first."""


def style_of(cell: Cell) -> str:
    """The colours of a cell: the symbol's for what it is, the background's for what happens to it."""
    color = "bold $foreground" if cell.is_clue else "$error" if cell.is_wrong else "$primary"
    if cell.is_changed:
        return f"{color} on $accent 30%"
    return f"{color} on $error 22%" if cell.in_conflict else color


def mark_of(cell: Cell) -> str:
    """The mark of a cell where there are no colours, or ""."""
    return next((mark for mark, name in _MARKS if getattr(cell, name)), "")
