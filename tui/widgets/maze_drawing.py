"""A drawn maze, as large as its place on the screen allows. In a low place, a line shows two of its rows."""

from collections.abc import Iterator, Sequence

from tui.puzzle_solve import Cell

Part = tuple[str, str]

_SCALES = ((4, 2), (2, 1), (1, 1))
"""Columns and lines of a cell, the largest first."""
_HALF = "▀"
_WALL = "$foreground 30%"
_MISSED = "·"


def draw_maze(
    cells: Sequence[Cell], width: int, height: int, *, has_colors: bool = True
) -> tuple[list[list[Part]], int]:
    """The lines of the largest drawing that fits in so many columns and lines, or of the smallest there is,
    in pieces with their styles; and its columns. Without colours, characters tell the cells apart."""
    n = int(len(cells) ** 0.5)
    for columns, rows in _SCALES:
        if columns * n <= width and rows * n <= height:
            return list(_whole(cells, n, columns, rows, has_colors=has_colors)), columns * n
    if not has_colors:
        return list(_whole(cells, n, 1, 1, has_colors=False)), n
    return list(_halves(cells, n)), n


def color_of(cell: Cell) -> str:
    """The colour that fills a cell; empty for a way that is not marked."""
    if cell.is_wrong:
        return "$error 75%" if cell.text else "$error 35%"
    if cell.is_clue:
        return "$success" if cell.text else _WALL
    if cell.is_changed:
        return "$accent 75%"
    return "$primary 75%" if cell.text else ""


def text_of(cell: Cell, *, has_colors: bool) -> str:
    """The characters of a cell: its own, and without colours a mark for what is wrong or changed."""
    if has_colors:
        return cell.text if cell.is_clue else ("×" if cell.text else _MISSED) if cell.is_wrong else ""
    if cell.is_clue:
        return cell.text or "█"
    if cell.is_wrong:
        return "×" if cell.text else _MISSED
    return "*" if cell.is_changed else cell.text


def _whole(
    cells: Sequence[Cell], n: int, columns: int, rows: int, *, has_colors: bool
) -> Iterator[list[Part]]:
    for row in range(n):
        line = []
        for cell in cells[row * n : row * n + n]:
            color, text = color_of(cell), text_of(cell, has_colors=has_colors)
            fill = "█" if text == "█" else " "
            style = f"bold $background on {color}" if color else ""
            line.append((text.center(columns, fill)[:columns], style if has_colors else "bold"))
        blank = [(" " * columns if has_colors or text.strip("█") else text, style) for text, style in line]
        yield from [line if number == rows // 2 else blank for number in range(rows)]


def _halves(cells: Sequence[Cell], n: int) -> Iterator[list[Part]]:
    """Each line has the upper row as the colour of a half block, and the lower one as its background."""
    for row in range(0, n, 2):
        line = []
        for column in range(n):
            upper = color_of(cells[row * n + column])
            lower = color_of(cells[(row + 1) * n + column]) if row + 1 < n else ""
            if upper:
                line.append((_HALF, f"{upper} on {lower}" if lower else upper))
            else:
                line.append(("▄", lower) if lower else (" ", ""))
        yield line
