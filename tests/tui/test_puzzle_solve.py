"""The history of a puzzle that is solved, its words and its drawing, without a screen."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from data.sudoku_grid import SIZES, geometry
from data.sudoku_kind import SudokuKind
from data.sudoku_text import parse_grid
from models.generation.solver import SolveStep
from tui.puzzle_solve import Cell, PuzzleSolve, plain_cells
from tui.puzzle_source import Posed
from tui.puzzle_words import curves, figures
from tui.widgets.puzzle_grid import DRAWINGS, draw, drawing_for

PUZZLE, SOLUTION = parse_grid("1...|..3.|.4..|...2"), parse_grid("1324423124133142")
WRONG = parse_grid("1342423124133142")  # two cells of the first row are exchanged


def posed(*answers: np.ndarray, sure_at: int = 3) -> Posed:
    """A puzzle that is answered like this, and then always with the solution."""

    def steps() -> Iterator[SolveStep]:
        for number, answer in enumerate(itertools.chain(answers, itertools.repeat(SOLUTION)), start=1):
            yield SolveStep(answer, min(1.0, 0.3 * number), number >= sure_at)

    return Posed("a puzzle", SudokuKind(), PUZZLE, SOLUTION, steps())


def solved(*answers: np.ndarray, limit: int = 4, **more: int) -> PuzzleSolve:
    solve = PuzzleSolve(posed(*answers, **more), limit, trained_steps=2)
    list(solve.think(lambda: False))
    return solve


def test_steps_are_taken_up_to_the_limit_and_looked_at_one_by_one() -> None:
    solve = solved(WRONG)
    assert (len(solve.taken), solve.is_complete, solve.at) == (4, True, 0)
    assert (solve.grid == PUZZLE).all() and solve.confidence is None
    assert solve.go_to(1) and (solve.grid == WRONG).all() and solve.confidence == 0.3
    assert solve.right_at(1) == solve.asked - 2 and not solve.is_solved
    assert solve.go_to(99) and solve.at == 4 and solve.is_solved and not solve.go_to(5)
    assert (solve.solved_at, solve.sure_at) == (2, 3)


def test_more_steps_go_on_where_they_ended_and_fewer_are_not_forgotten() -> None:
    solve = solved(WRONG)
    solve.go_to(4)
    solve.change_limit(2)
    assert (solve.at, len(solve.taken), solve.sure_at) == (2, 2, None)
    solve.change_limit(8)
    assert not solve.is_complete and len(list(solve.think(lambda: False))) == 4
    assert solve.taken[7].confidence == 1.0
    solve.change_limit(0)
    assert solve.limit == 1


def test_it_stops_thinking_when_it_is_told_to() -> None:
    solve = PuzzleSolve(posed(), 8, trained_steps=2)
    assert len(list(solve.think(lambda: len(solve.taken) == 2))) == 2 and not solve.is_complete


def test_a_cell_tells_whether_it_is_a_clue_wrong_changed_or_in_conflict() -> None:
    clash = WRONG.copy()
    clash[1] = 1  # the clue in the corner is a 1 too
    solve = solved(WRONG, clash)
    assert solve.cells()[:2] == [Cell("1"), Cell("", is_clue=False)]
    solve.go_to(1)
    assert solve.cells()[1] == Cell("3", is_clue=False) and not solve.changed.any()
    assert solve.cells()[2] == Cell("4", is_clue=False, is_wrong=True, in_conflict=True)
    solve.go_to(2)
    assert solve.cells()[1] == Cell("1", False, is_changed=True, is_wrong=True, in_conflict=True)
    assert solve.cells()[0] == Cell("1", in_conflict=True)


def test_the_figures_say_when_it_was_solved_and_when_it_would_stop() -> None:
    solve = solved(WRONG)
    solve.go_to(2)
    rows = dict(figures(solve, is_thinking=False))
    assert rows["step"] == "2 of 4, 2 in training" and rows["right"] == "12 of 12 cells"
    assert (rows["changed"], rows["solved"], rows["stops"]) == ("2 cells", "at step 2", "at step 3")
    never = solved(*[WRONG] * 4, sure_at=9)
    assert dict(figures(never, is_thinking=False))["solved"] == "not in 4 steps"
    assert dict(figures(never, is_thinking=True))["stops"] == "thinking …"


def test_the_curves_have_a_character_for_each_step_around_the_one_looked_at() -> None:
    solve = PuzzleSolve(posed(WRONG), 40, trained_steps=2)
    for _ in solve.think(lambda: len(solve.taken) == 30):
        pass
    assert curves(solve, 50) == (1, "▇" + "█" * 29 + "·" * 10, "▃▅▇" + "█" * 27 + "·" * 10)
    solve.go_to(28)
    first, right, _ = curves(solve, 10)
    assert first <= 28 < first + 10 and right == "████████··"[: 31 - first] + "·" * (first - 21)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("drawing", DRAWINGS)
def test_every_drawing_is_a_rectangle_of_its_size(n: int, drawing) -> None:
    grid = (np.arange(n * n) % (n + 1)).astype(np.uint8)
    cells = plain_cells(SudokuKind(), grid)
    rows = ["".join(text for text, _ in line) for line in draw(cells, geometry(n), drawing)]
    assert ({len(row) for row in rows}, len(rows)) == (
        {drawing.size(geometry(n))[0]},
        drawing.size(geometry(n))[1],
    )
    assert [int(c) for c in "".join(rows) if c.isdigit()] == [digit for digit in grid.tolist() if digit]


def test_a_grid_is_drawn_as_large_as_there_is_room() -> None:
    assert [drawing_for(9, *room) for room in ((75, 40), (60, 22), (31, 13), (20, 9))] == list(DRAWINGS)
    assert drawing_for(9, 1, 1) == DRAWINGS[-1]


def test_without_colours_a_mark_follows_what_is_wrong_or_changed() -> None:
    cells = [Cell("1"), Cell("2", False, is_changed=True), Cell("3", False, is_wrong=True)]
    cells += [Cell("4", False, is_wrong=True, in_conflict=True)] + [Cell("")] * 12
    first = list(draw(cells, geometry(4), DRAWINGS[1], has_colors=False))[1]
    assert "".join(text for text, _ in first) == "┃ 1 │ 2*┃ 3×│ 4!┃"
