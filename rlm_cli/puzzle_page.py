"""The grids of puzzles as they form, as one web page."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.wording import counted
from rlm_cli.page import finding, note, page, text

if TYPE_CHECKING:
    import numpy as np

    from data.puzzle_kind import PuzzleKind
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
.grid .wrong { color: var(--bad); font-weight: 700; }
.grid .wall { background: var(--text); }
"""


def puzzle_page(solutions: "Sequence[Solution]", run: str, kind: "PuzzleKind") -> str:
    """What the model answered after each step, with no script and no network."""
    title = f"Trace of {run} on {counted(len(solutions), 'puzzle')}"
    return page(title, _parts(solutions, kind), style=_STYLE)


def _parts(solutions: "Sequence[Solution]", kind: "PuzzleKind") -> Iterator[str]:
    yield note("Clues are bold. A cell that a step changed is underlined.")
    for number, one in enumerate(solutions, 1):
        if len(solutions) > 1:
            yield f"<h2>Puzzle {number}</h2>"
        yield _verdict(one, kind)
        figures = [
            _figure(one, grid, changed, step, kind)
            for step, (grid, changed) in enumerate(zip(one.step_answers, one.changed_cells, strict=True), 1)
        ]
        yield f'<div class="steps">{"".join(figures)}</div>'


def _verdict(one: "Solution", kind: "PuzzleKind") -> str:
    steps = counted(one.steps, "step")
    if one.valid is None:
        return finding(f"<b>Answered</b> in {steps}, {one.confidence:.0%} sure.", "")
    if one.valid:
        return finding(f"<b>Solved</b> in {steps}, {one.confidence:.0%} sure.", "good")
    why = kind.fault_of(one.answer, one.puzzle) if kind.has_rules else "it is not the target"
    return finding(f"<b>Not solved</b> in {steps}, {one.confidence:.0%} sure: {text(why)}.", "bad")


def _figure(one: "Solution", grid: "np.ndarray", changed: "np.ndarray", step: int, kind: "PuzzleKind") -> str:
    cells = counted(int(changed.sum()), kind.cell_word)
    caption = f"Step {step}: {cells} {kind.filled if step == 1 else 'changed'}"
    table = _grid(one, grid, changed if step > 1 else None, kind)
    return f'<figure><figcaption class="soft">{caption}</figcaption>{table}</figure>'


def _grid(one: "Solution", grid: "np.ndarray", changed: "np.ndarray | None", kind: "PuzzleKind") -> str:
    layout, (height, width) = kind.layout(len(grid)), kind.box(len(grid))
    asked, wrong = layout.is_asked[one.puzzle], one.wrong_cells(grid) if kind.marks_wrong else None
    n_rows, n_columns = layout.shape
    rows = []
    for row in range(n_rows):
        cells = []
        for column in range(n_columns):
            place = row * n_columns + column
            shown = kind.cell_text(int(grid[place]))
            kind_of_cell = "filled" if asked[place] else "clue" if shown else "wall"
            if asked[place] and changed is not None and changed[place]:
                kind_of_cell = "changed"
            elif wrong is not None and wrong[place]:
                kind_of_cell = "wrong"
            edge = " edge" if (column + 1) % width == 0 and column + 1 < n_columns else ""
            cells.append(f'<td class="{kind_of_cell}{edge}">{text(shown)}</td>')
        edge = ' class="edge"' if (row + 1) % height == 0 and row + 1 < n_rows else ""
        rows.append(f"<tr{edge}>{''.join(cells)}</tr>")
    return f'<table class="grid">{"".join(rows)}</table>'
