"""The grids of puzzles as they form, as one web page."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.sudoku_checker import find_repeated_digit
from data.sudoku_grid import geometry_of
from data.wording import counted
from rlm_cli.page import finding, note, page, text

if TYPE_CHECKING:
    import numpy as np

    from models.generation.solver import Solution

_STYLE = """
.steps { display: flex; flex-wrap: wrap; gap: 1.5rem; }
figure { margin: 0; }
.grid { border: 2px solid var(--text); }
.grid td { border: 1px solid var(--line); width: 1.7em; height: 1.7em; padding: 0; text-align: center; }
.grid td.edge { border-right: 2px solid var(--text); }
.grid tr.edge td { border-bottom: 2px solid var(--text); }
.grid .clue { font-weight: 700; background: var(--band); }
.grid .changed { color: var(--accent); font-weight: 700; text-decoration: underline; }
.grid .filled { color: var(--accent); }
"""


def puzzle_page(solutions: "Sequence[Solution]", run: str) -> str:
    """What the model answered after each step, with no script and no network."""
    return page(f"Trace of {run} on {counted(len(solutions), 'puzzle')}", _parts(solutions), style=_STYLE)


def _parts(solutions: "Sequence[Solution]") -> Iterator[str]:
    yield note("Clues are bold. A cell that a step changed is underlined.")
    for number, one in enumerate(solutions, 1):
        if len(solutions) > 1:
            yield f"<h2>Puzzle {number}</h2>"
        steps = counted(one.steps, "step")
        if one.valid:
            yield finding(f"<b>Solved</b> in {steps}, {one.confidence:.0%} sure.", "good")
        else:
            why = text(find_repeated_digit(one.answer) or "it breaks the rules")
            yield finding(f"<b>Not solved</b> in {steps}, {one.confidence:.0%} sure: {why}.", "bad")
        figures = [
            _figure(grid, one.puzzle, changed, step)
            for step, (grid, changed) in enumerate(zip(one.step_answers, one.changed_cells, strict=True), 1)
        ]
        yield f'<div class="steps">{"".join(figures)}</div>'


def _figure(grid: "np.ndarray", puzzle: "np.ndarray", changed: "np.ndarray", step: int) -> str:
    cells = counted(int(changed.sum()), "cell")
    said = f"Step {step}: {cells} {'filled' if step == 1 else 'changed'}"
    return (
        f'<figure><figcaption class="soft">{said}</figcaption>{_grid(grid, puzzle, changed, step)}</figure>'
    )


def _grid(grid: "np.ndarray", puzzle: "np.ndarray", changed: "np.ndarray", step: int) -> str:
    shape = geometry_of(grid)
    rows = []
    for row in range(shape.n):
        cells = []
        for column in range(shape.n):
            place = row * shape.n + column
            kind = "clue" if puzzle[place] else "changed" if step > 1 and changed[place] else "filled"
            edge = " edge" if (column + 1) % shape.box_width == 0 and column + 1 < shape.n else ""
            cells.append(f'<td class="{kind}{edge}">{grid[place] or ""}</td>')
        edge = ' class="edge"' if (row + 1) % shape.box_height == 0 and row + 1 < shape.n else ""
        rows.append(f"<tr{edge}>{''.join(cells)}</tr>")
    return f'<table class="grid">{"".join(rows)}</table>'
