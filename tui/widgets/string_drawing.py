"""A string and the model's answer to it, below each other, in as many lines as the width asks for."""

from collections.abc import Sequence

from tui.puzzle_solve import Cell
from tui.widgets.cell_style import mark_of, style_of

Part = tuple[str, str]

_MUTED = "$foreground-muted"


def draw_strings(
    cells: Sequence[Cell], given: str, target: str, width: int, *, has_colors: bool = True
) -> tuple[list[list[Part]], int]:
    """The lines of the `given` string, of its answer, whose symbols are `cells`, and of the target where it
    is known, in pieces with their styles; and their columns. Without colours a mark stands below a symbol
    that is wrong or was changed."""
    names = max(len("answer"), len("target")) + 1
    columns = max(8, width - names)
    drawn = []
    for start in range(0, len(given), columns):
        part = slice(start, start + columns)
        if start:
            drawn.append([("", "")])
        drawn.append([("input".ljust(names), _MUTED), (given[part], "")])
        drawn.append([("answer".ljust(names), _MUTED), *((one.text, style_of(one)) for one in cells[part])])
        if not has_colors:
            drawn.append([(" " * names + "".join(mark_of(one) or " " for one in cells[part]), "")])
        if target:
            drawn.append([("target".ljust(names), _MUTED), (target[part], "")])
    return drawn, names + min(columns, len(given))
