"""The figures of a puzzle that is being solved, its course over the steps, and what the colours mean."""

from collections.abc import Mapping

from textual.content import Content
from textual.widgets import Static

from tui.content import joined, lines, plain
from tui.puzzle_solve import Cell, PuzzleSolve
from tui.puzzle_words import curves, figures
from tui.widgets import maze_drawing
from tui.widgets.cell_style import style_of
from tui.widgets.puzzle_grid import text_of

_SHORT_BELOW = 30
_LEGENDS: Mapping[str, tuple[tuple[str, Cell], ...]] = {
    "sudoku": (
        ("clue", Cell("5")),
        ("right", Cell("5", is_clue=False)),
        ("wrong", Cell("5", is_clue=False, is_wrong=True)),
        ("changed", Cell("5", is_clue=False, is_changed=True)),
        ("conflict", Cell("5", is_clue=False, is_wrong=True, in_conflict=True)),
    ),
    "maze": (
        ("start, goal", Cell("S")),
        ("path", Cell("o", is_clue=False)),
        ("wrong", Cell("o", is_clue=False, is_wrong=True)),
        ("missed", Cell("", is_clue=False, is_wrong=True)),
        ("changed", Cell("o", is_clue=False, is_changed=True)),
    ),
    "grid": (
        ("right", Cell("a", is_clue=False)),
        ("wrong", Cell("a", is_clue=False, is_wrong=True)),
        ("changed", Cell("a", is_clue=False, is_changed=True)),
    ),
}
"""What each colour means, by the task."""


class PuzzleFigures(Static):
    """Shows `solve` as it is now, in its own width and height."""

    def show(self, solve: PuzzleSolve, *, is_thinking: bool, width: int, height: int) -> None:
        """Draw in so many columns and rows."""
        rows = _figures(solve, width, is_thinking=is_thinking)
        course = _course(solve, width)
        if len(rows) + len(course) < height:
            rows.append(plain(""))
        rows += course
        legend = _legend(solve.kind.task, width, has_colors=not self.app.no_color)
        if len(rows) + 1 + len(legend) <= height:
            rows += [plain(""), *legend]
        self.update(lines(rows[:height]))


def _figures(solve: PuzzleSolve, width: int, *, is_thinking: bool) -> list[Content]:
    rows = figures(solve, is_thinking=is_thinking, short=width < _SHORT_BELOW)
    names = max(len(name) for name, _ in rows)
    styles = {"solved": "$success" if solve.solved_at else "", "step": "bold $accent"}
    return [joined((f"{name:<{names}}  ", "$foreground-muted"), (value, styles.get(name, "")))
            for name, value in rows]  # fmt: skip


def _course(solve: PuzzleSolve, width: int) -> list[Content]:
    """The curves of right cells and of the confidence, and a mark below the step that is looked at."""
    names = ("right ", "sure  ")
    first, right, sure = curves(solve, max(1, width - len(names[0])))
    place = len(names[0]) + solve.at - first
    mark = plain("" if solve.at < first else f"{' ' * place}▲", "$accent")
    return [
        joined((names[0], "$foreground-muted"), (right, "$primary")),
        joined((names[1], "$foreground-muted"), (sure, "$secondary")),
        mark,
    ]


def _legend(task: str, width: int, *, has_colors: bool) -> list[Content]:
    """What the colours and the marks mean, in as many lines as it takes."""
    rows: list[list[tuple[str, str]]] = [[]]
    used = 0
    for name, cell in _LEGENDS[task]:
        entry = [_sample(task, cell, has_colors=has_colors), (f" {name}  ", "$foreground-muted")]
        length = sum(len(text) for text, _ in entry)
        if used and used + length > width:
            rows.append([])
            used = 0
        rows[-1] += entry
        used += length
    return [joined(*row) for row in rows]


def _sample(task: str, cell: Cell, *, has_colors: bool) -> tuple[str, str]:
    """A cell as the legend shows it, and its style."""
    if task == "maze":
        style = f"bold $background on {maze_drawing.color_of(cell)}" if has_colors else "bold"
        return f" {maze_drawing.text_of(cell, has_colors=has_colors) or ' '} ", style
    return f" {text_of(cell, has_colors=has_colors):<2}", style_of(cell)
