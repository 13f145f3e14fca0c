"""Grids as text: every way of writing one is read, and so is a drawing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from data.sudoku_grid import SIZES
from data.sudoku_text import draw_grid, grid_line, has_grid_length, parse_grid, parse_grids

grids = st.sampled_from(SIZES).flatmap(
    lambda n: st.lists(st.integers(0, n), min_size=n * n, max_size=n * n).map(
        lambda cells: np.array(cells, dtype=np.uint8)
    )
)


def draw(grid: np.ndarray, puzzle: np.ndarray | None = None, changed: np.ndarray | None = None) -> str:
    return "".join(text for text, _ in draw_grid(grid, puzzle, changed))


@given(grid=grids, data=st.data())
def test_lines_and_drawings_are_read_back(grid: np.ndarray, data: st.DataObject) -> None:
    changed = np.array(data.draw(st.lists(st.booleans(), min_size=len(grid), max_size=len(grid))))
    assert (parse_grid(grid_line(grid)) == grid).all()
    assert (parse_grid(draw(grid)) == grid).all() and (parse_grid(draw(grid, grid, changed)) == grid).all()
    assert (parse_grid(" ".join(grid_line(grid).replace(".", "0"))) == grid).all()


def test_a_drawing_has_framed_boxes() -> None:
    grid = parse_grid("1.3. 3412 2143 4.21")
    changed = np.zeros(16, dtype=bool)
    changed[5] = True
    assert draw(grid, changed=changed).splitlines() == [
        "┌─────┬─────┐",
        "│ 1 . │ 3 . │",
        "│ 3 4*│ 1 2 │",
        "├─────┼─────┤",
        "│ 2 1 │ 4 3 │",
        "│ 4 . │ 2 1 │",
        "└─────┴─────┘",
    ]
    assert len(draw(parse_grid("." * 36)).splitlines()) == 6 + 4


def test_the_pieces_of_a_drawing_have_their_marks() -> None:
    puzzle, grid = parse_grid("1" + "." * 15), parse_grid("12" + "." * 13 + "3")
    changed = np.zeros(16, dtype=bool)
    changed[15] = True
    marks = [mark for _, mark in draw_grid(grid, puzzle, changed) if mark != "frame"]
    assert marks == ["clue", "filled", *["blank"] * 13, "changed"]
    assert [mark for _, mark in draw_grid(grid) if mark == "clue"] == ["clue"] * 3


def test_a_line_with_a_whole_grid_differs_from_a_row() -> None:
    assert has_grid_length("1...|..3.|.4..|...2") and has_grid_length("." * 81) and has_grid_length("x" * 36)
    assert (
        not has_grid_length("│ 1 . │ 3 . │")
        and not has_grid_length(". . . 1 2 3 . . .")
        and not has_grid_length("")
    )


def test_ascii_drawings_and_several_puzzles_are_read() -> None:
    art = "+---+---+\n|1 .|. 2|\n|. .|. .|\n+---+---+\n|. .|. .|\n|. 3|. 4|\n+---+---+\n"
    assert grid_line(parse_grid(art)) == "1..2.........3.4"
    assert [grid_line(g) for g in parse_grids(f"{art}\n\n{art}")] == ["1..2.........3.4"] * 2
    assert [len(g) for g in parse_grids("1..............2\n\n" + "." * 81 + "\r\n")] == [16, 81]
    assert len(parse_grids("1...\n....\n....\n...4\n")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12", "2 cells"),
        ("", "0 cells"),
        ("." * 80, "80 cells"),
        ("x" + "." * 15, "'x' in it"),
        ("\x1b" + "." * 15, r"'\\x1b' in it"),
        ("٣" + "." * 15, "in it"),
        ("5" + "." * 15, "digit 5, and a 4×4 grid has 1 to 4"),
    ],
)
def test_a_text_that_is_not_a_grid_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_grid(text)
    assert caught.value.hint
    with pytest.raises(UsageError):
        parse_grids(text)
