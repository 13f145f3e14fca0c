"""A drawn puzzle, as large as its place on the screen allows; and how a Sudoku is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from textual.widgets import Static

from data.sudoku_grid import Geometry, geometry
from tui.content import joined, lines
from tui.puzzle_solve import Cell
from tui.widgets.cell_style import mark_of, style_of
from tui.widgets.maze_drawing import draw_maze
from tui.widgets.string_drawing import draw_strings

_HEAVY = "$foreground 55%"
_LIGHT = "$foreground 22%"
_BANDS = "on $panel"
_EMPTY = "·"
_JUNCTIONS = {"top": "┏┳┯┓", "heavy": "┣╋┿┫", "light": "┠╂┼┨", "bottom": "┗┻┷┛"}
"""Of a horizontal line with the left edge, a heavy, a light vertical line and the right edge."""

Part = tuple[str, str]
Lines = Literal["all", "boxes", "none"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How large a cell is, and which lines are drawn between cells."""

    cell_width: int
    cell_height: int
    lines: Lines

    def size(self, shape: Geometry) -> tuple[int, int]:
        """Columns and rows of the whole grid."""
        boxes_across, boxes_down = shape.n // shape.box_width, shape.n // shape.box_height
        across, down = {
            "all": (shape.n + 1, shape.n + 1),
            "boxes": (boxes_across + 1, boxes_down + 1),
            "none": (0, 0),
        }[self.lines]
        return shape.n * self.cell_width + across, shape.n * self.cell_height + down


DRAWINGS = (Drawing(7, 3, "all"), Drawing(3, 1, "all"), Drawing(3, 1, "boxes"), Drawing(2, 1, "none"))
"""The largest first."""


def drawing_for(n: int, width: int, height: int) -> Drawing:
    """The largest drawing of an n × n grid that fits, or the smallest there is."""
    for drawing in DRAWINGS:
        columns, rows = drawing.size(geometry(n))
        if columns <= width and rows <= height:
            return drawing
    return DRAWINGS[-1]


class PuzzleGrid(Static):
    """Draws the cells of a puzzle."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cells: Sequence[Cell] = ()
        self.drawing = DRAWINGS[-1]
        self.columns = 0

    def show(
        self, cells: Sequence[Cell], task: str, width: int, height: int, *, given: str = "", target: str = ""
    ) -> None:
        """Draw the cells of a puzzle of a `task` in at most so many columns and rows, where that is possible.
        Beside an answer that is a string stand the string that is `given`, and the `target`."""
        self.cells = cells
        has_colors = not self.app.no_color
        if task == "sudoku":
            n = int(len(cells) ** 0.5)
            self.drawing = drawing_for(n, width, height)
            self.columns = self.drawing.size(geometry(n))[0]
            parts = list(draw(cells, geometry(n), self.drawing, has_colors=has_colors))
        elif task == "maze":
            parts, self.columns = draw_maze(cells, width, height, has_colors=has_colors)
        else:
            parts, self.columns = draw_strings(cells, given, target, width, has_colors=has_colors)
        self.styles.width, self.styles.height = self.columns, len(parts)
        self.update(lines([joined(*line) for line in parts]))


def text_of(cell: Cell, *, has_colors: bool) -> str:
    """The digit, and a mark where it takes one."""
    return f"{cell.text or _EMPTY}{'' if has_colors else mark_of(cell)}"


def draw(
    cells: Sequence[Cell], shape: Geometry, drawing: Drawing, *, has_colors: bool = True
) -> Iterator[list[Part]]:
    """The lines of a drawing, in pieces with their styles. Without colours a mark follows some digits."""
    n, has_lines = shape.n, drawing.lines != "none"
    for row in range(n):
        if has_lines and (row == 0 or row % shape.box_height == 0 or drawing.lines == "all"):
            kind = "top" if row == 0 else "heavy" if row % shape.box_height == 0 else "light"
            yield list(_line(kind, shape, drawing))
        for part in range(drawing.cell_height):
            has_digit = part == drawing.cell_height // 2
            yield list(_cells(cells, row, shape, drawing, has_digit=has_digit, has_colors=has_colors))
    if has_lines:
        yield list(_line("bottom", shape, drawing))


def _line(kind: str, shape: Geometry, drawing: Drawing) -> Iterator[Part]:
    """A horizontal line."""
    left, heavy, light, right = tuple(_JUNCTIONS[kind])
    style, bar = (_LIGHT, "─") if kind == "light" else (_HEAVY, "━")
    yield left, _HEAVY
    for column in range(1, shape.n + 1):
        yield bar * drawing.cell_width, style
        if column == shape.n:
            yield right, _HEAVY
        elif column % shape.box_width == 0:
            yield heavy, _HEAVY
        elif drawing.lines == "all":
            yield light, _LIGHT if kind == "light" else _HEAVY


def _cells(
    cells: Sequence[Cell], row: int, shape: Geometry, drawing: Drawing, *, has_digit: bool, has_colors: bool
) -> Iterator[Part]:
    """One line through the cells of a row. Without lines, every second box has another background."""
    for column in range(shape.n):
        is_edge = column % shape.box_width == 0
        if is_edge and drawing.lines != "none":
            yield "┃", _HEAVY
        elif drawing.lines == "all":
            yield "│", _LIGHT
        cell = cells[row * shape.n + column]
        style = style_of(cell) if cell.text else _LIGHT
        box = row // shape.box_height + column // shape.box_width
        if drawing.lines == "none" and box % 2 == 0 and " on " not in style:
            style = f"{style} {_BANDS}"
        text = text_of(cell, has_colors=has_colors) if has_digit else ""
        before = (drawing.cell_width - 1) // 2
        yield f"{' ' * before}{text}"[: drawing.cell_width].ljust(drawing.cell_width), style
    if drawing.lines != "none":
        yield "┃", _HEAVY
