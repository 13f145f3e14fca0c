"""Mazes and strings that are solved in the application: their history, words, drawings and screen."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from textual.pilot import Pilot
from textual.widgets import Input

from data.maze_generator import generate
from data.maze_grid import PATH
from data.maze_kind import MazeKind
from data.maze_text import maze_line
from data.progress import result_of
from data.puzzle_kind import PuzzleKind
from data.string_kind import StringKind
from models.generation.solver import SolveStep
from models.planning.plan import plan
from tests.models.training.puzzles.test_other_kinds import SMALL
from tests.models.training.puzzles.test_task import go
from tests.requests import train_request
from tests.tui.conftest import shown, until
from tui.puzzle_solve import Cell, PuzzleSolve
from tui.puzzle_source import Posed
from tui.puzzle_words import figures
from tui.screens.home import HomeScreen
from tui.screens.puzzle import PuzzleScreen
from tui.widgets.maze_drawing import color_of, draw_maze
from tui.widgets.string_drawing import draw_strings

MAZE, SOLUTION = next(generate(9, 1, seed=5))


def solved(kind: PuzzleKind, puzzle: np.ndarray, solution: np.ndarray | None, *answers: np.ndarray):
    def steps() -> Iterator[SolveStep]:
        for answer in itertools.chain(answers, itertools.repeat(answers[-1])):
            yield SolveStep(answer, 0.5, False)

    solve = PuzzleSolve(Posed("a puzzle", kind, puzzle, solution, steps()), 3, trained_steps=2)
    list(solve.think(lambda: False))
    return solve


def test_a_maze_is_right_by_the_rules_and_its_wrong_cells_are_known() -> None:
    missed = SOLUTION.copy()
    first = int(np.flatnonzero(SOLUTION == PATH)[0])
    missed[first] = MAZE[first]
    solve = solved(MazeKind(), MAZE, SOLUTION, missed, SOLUTION)
    assert not any(cell.is_wrong for cell in solve.cells())
    assert dict(figures(solve, is_thinking=False))["shortest"] == str((SOLUTION == PATH).sum() + 1)
    solve.go_to(1)
    assert [cell.is_wrong for cell in solve.cells()] == [place == first for place in range(81)]
    rows = dict(figures(solve, is_thinking=False))
    assert rows["right"] == f"{solve.asked - 1} of {solve.asked} cells" and rows["solved"] == "at step 2"
    assert rows["marked"] == f"{(missed == PATH).sum()} cells" and "conflict" not in rows
    other = solved(MazeKind(), MAZE, missed, SOLUTION)  # another path than the known one
    other.go_to(1)
    assert other.is_solved and not any(cell.is_wrong for cell in other.cells())
    assert other.right_at(1) == other.asked


def test_a_string_without_a_target_has_no_verdict() -> None:
    kind, puzzle, target = StringKind("0123"), np.array([0, 1, 2, 3]), np.array([3, 2, 1, 0])
    solve = solved(kind, puzzle, None, target)
    solve.go_to(1)
    rows = dict(figures(solve, is_thinking=False))
    assert "right" not in rows and "solved" not in rows and rows["changed"] == "4 symbols"
    assert not any(cell.is_wrong for cell in solve.cells())
    known = solved(kind, puzzle, target, np.array([3, 2, 1, 1]))
    known.go_to(1)
    assert [cell.is_wrong for cell in known.cells()] == [False, False, False, True]
    assert dict(figures(known, is_thinking=False))["solved"] == "not in 3 steps"


@pytest.mark.parametrize(
    ("room", "size"), [((40, 20), (36, 18)), ((30, 12), (18, 9)), ((12, 9), (9, 9)), ((12, 6), (9, 5))]
)
def test_a_maze_is_drawn_as_large_as_there_is_room(room: tuple[int, int], size: tuple[int, int]) -> None:
    solve = solved(MazeKind(), MAZE, SOLUTION, SOLUTION)
    rows, columns = draw_maze(solve.cells(), *room)
    assert (columns, len(rows)) == size
    assert {sum(len(text) for text, _ in row) for row in rows} == {columns}


def test_without_colours_characters_show_walls_path_and_mistakes() -> None:
    missed = SOLUTION.copy()
    first, second, *_ = np.flatnonzero(SOLUTION == PATH)
    missed[first] = MAZE[first]
    solve = solved(MazeKind(), MAZE, SOLUTION, missed)
    solve.go_to(1)
    rows, _ = draw_maze(solve.cells(), 12, 4, has_colors=False)
    text = "".join(part for row in rows for part, _ in row)
    assert len(text) == 81 and text[first] == "·" and text[second] == "o"
    assert text.count("█") == maze_line(MAZE).count("#") and "S" in text and "G" in text


def test_every_kind_of_cell_has_its_own_colour() -> None:
    cells = [Cell(""), Cell("S"), Cell("o", False), Cell("o", False, is_wrong=True),
             Cell("", False, is_wrong=True), Cell("o", False, is_changed=True), Cell("", False)]  # fmt: skip
    colors = [color_of(cell) for cell in cells]
    assert len(set(colors)) == len(cells) and colors[-1] == ""


def test_a_long_string_takes_several_lines() -> None:
    cells = [Cell("x", False)] * 30
    rows, columns = draw_strings(cells, "b" * 30, "c" * 30, 20)
    texts = ["".join(part for part, _ in row) for row in rows]
    assert columns == 20 and max(map(len, texts)) == 20
    assert sum(text.count("b") for text in texts) == 30 and sum(text.count("x") for text in texts) == 30
    marked = [*cells[:-1], Cell("x", False, is_wrong=True)]
    assert draw_strings(marked, "b" * 30, "", 60, has_colors=False)[0][-1][0][0].endswith("×")


def test_the_screen_shows_a_maze_and_takes_one(tmp_path: Path, drive) -> None:
    before = torch.get_num_threads()
    request = train_request(paths=(), task="maze:9x9", count=20, steps=1, settings=SMALL)
    go(result_of(plan(request, tmp_path / "runs")).start())
    torch.set_num_threads(before)

    async def do(pilot: Pilot[None]) -> None:
        home = pilot.app.screen
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: home.table.rows_shown)
        await pilot.pause()
        assert "mazes maze:9x9" in " ".join(shown(pilot.app).split())
        await pilot.press("v")
        screen = pilot.app.screen
        assert isinstance(screen, PuzzleScreen)
        await until(pilot, lambda: screen.solve is not None and screen.thinking is None)
        await pilot.press("right")
        await until(pilot, lambda: "missed" in shown(pilot.app) and "marked" in shown(pilot.app))
        await pilot.press("t")
        pilot.app.screen.query_one(Input).value = maze_line(MAZE)
        await until(pilot, lambda: "81 of 81 cells" in shown(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: screen.solve is not None and screen.solve.name == "your puzzle")
        assert screen.solve is not None and (screen.solve.puzzle == MAZE).all()

    drive(do)
