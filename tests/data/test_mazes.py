"""Mazes: made with one shortest path, found by search, checked by the rules, turned, and read as text."""

import numpy as np
import pytest

from data.errors import UsageError
from data.maze_generator import generate, make_maze
from data.maze_grid import (
    GOAL,
    PATH,
    START,
    WALL,
    WAY,
    distances,
    find_fault,
    is_shortest_path,
    neighbours,
    path_length,
    shortest_path,
)
from data.maze_kind import MazeKind
from data.maze_symmetry import maze_key, random_turn, turns
from data.maze_text import draw_maze, maze_line, parse_maze

KIND = MazeKind()
TWO_PATHS = "S........" + "#.#####.#" * 7 + "........G"
"""An open row, two columns of ways, and an open row: a path by each column, both of sixteen steps."""


def made(n: int, count: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    mazes, solutions = zip(*generate(n, count, seed), strict=True)
    return np.stack(mazes), np.stack(solutions)


def drawn(maze: np.ndarray) -> list[str]:
    line = maze_line(maze)
    return [line[start : start + 9] for start in range(0, 81, 9)]


@pytest.mark.parametrize("n", [9, 10, 15, 30])
def test_a_maze_has_one_shortest_path_and_all_ways_are_connected(n: int) -> None:
    for maze, solution in zip(*made(n, 12), strict=True):
        found, is_only_one = shortest_path(maze)
        assert is_only_one and (found == solution).all()
        assert (solution == PATH).sum() == path_length(maze) - 1 >= n - 3
        start = int(np.flatnonzero(maze == START)[0])
        steps = np.array(distances((maze != WALL).tolist(), start, neighbours(n)))
        assert ((steps >= 0) == (maze != WALL)).all()


def test_some_mazes_have_loops_and_paths_are_of_many_lengths() -> None:
    mazes, solutions = made(15, 60)
    rooms, doors = 64, (mazes != WALL).sum(axis=1) - 64
    assert (doors >= rooms - 1).all() and (doors > rooms - 1).mean() > 0.9
    assert len(set((solutions == PATH).sum(axis=1).tolist())) > 10


def test_a_maze_is_a_function_of_its_number_and_all_differ() -> None:
    assert (make_maze(9, 3, 7)[0] == make_maze(9, 3, 7)[0]).all()
    assert (made(9, 5, seed=1)[0] != made(9, 5, seed=2)[0]).any()
    mazes, _ = made(9, 300)
    assert len({maze.tobytes() for maze in mazes}) == 300


@pytest.mark.parametrize("n", [8, 31])
def test_other_sizes_are_not_made(n: int) -> None:
    with pytest.raises(UsageError, match="no mazes"):
        next(generate(n, 1))


def test_any_shortest_path_is_an_answer_and_nothing_else() -> None:
    maze = parse_maze(TWO_PATHS)
    solution, is_only_one = shortest_path(maze)
    assert not is_only_one
    first, second = (maze.reshape(9, 9).copy() for _ in range(2))
    first[0, 1], first[1:8, 1], first[8, 1:8] = PATH, PATH, PATH
    second[0, 1:8], second[1:8, 7], second[8, 7] = PATH, PATH, PATH
    first, second = first.ravel(), second.ravel()
    assert is_shortest_path(first, maze) and is_shortest_path(second, maze)
    assert any((solution == one).all() for one in (first, second))
    assert "do not lead" in find_fault(maze, maze)
    assert "not on the path" in find_fault(np.maximum(first, second * (second == PATH)), maze)
    assert find_fault(np.where(first == WALL, WAY, first), maze) == "it changes the maze"
    gap = first.copy()
    gap[1] = WAY
    assert KIND.fault_of(gap, maze) == "the marked cells do not lead from S to G"
    assert KIND.is_solution_of(np.stack((first, gap)), np.stack((maze, maze))).tolist() == [True, False]


def test_a_detour_is_not_the_shortest_path() -> None:
    maze = parse_maze("S...G####" + "....." + "####" + "#" * 63)
    detour = maze.copy()
    detour[[9, 10, 11, 12, 13, 3]] = [PATH, PATH, PATH, PATH, PATH, WAY]
    detour[[1, 2]] = WAY
    assert find_fault(detour, maze) == "the path takes 6 steps, and the shortest 4"


def test_a_maze_without_a_way_is_refused() -> None:
    with pytest.raises(UsageError, match="no way from S to G"):
        shortest_path(parse_maze("S#......G" + "##......." + "." * 63))


def test_symmetries_keep_solutions_right_and_keys_equal() -> None:
    mazes, solutions = made(10, 16)
    turn = random_turn(np.random.default_rng(1), 10, 16)
    turned = turn.apply(mazes)
    assert (turned != mazes).any()
    assert KIND.is_solution_of(turn.apply(solutions), turned).all()
    assert (maze_key(turned) == maze_key(mazes)).all()
    assert len(set(maze_key(mazes).tolist())) == 16
    assert len({image.tobytes() for image in turns(10)}) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("S" + "." * 79, "has 80 cells"),
        ("S" + "." * 80, "has no G"),
        ("SS" + "." * 78 + "G", "has 2 Ss"),
        ("S" + "." * 79 + "x", "has 'x' in it"),
        ("So" + "." * 78 + "G", "has a path in it"),
        ("", "has 0 cells"),
    ],
)
def test_a_text_that_is_no_maze_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        KIND.parse(text)
    assert caught.value.hint


def test_a_maze_is_read_as_a_line_as_rows_and_as_drawings() -> None:
    (maze, other), _ = made(9, 2)
    line, rows = maze_line(maze), drawn(maze)
    for text in (line, "\n".join(rows), " / ".join(rows), "|".join(rows)):
        assert (KIND.parse(text) == maze).all()
    both = ["\n".join(rows), "\n".join(drawn(other))]
    for text in ("\n\n".join(both), f"{line}\n{maze_line(other)}"):
        assert [found.tobytes() for found in KIND.parse_all(text)] == [maze.tobytes(), other.tobytes()]


def test_rows_of_a_file_are_checked() -> None:
    (maze,), (solution,) = made(9, 1)
    for given in ("", maze_line(solution)):
        assert (KIND.read_row(maze_line(maze), given)[1] == solution).all()
    with pytest.raises(UsageError, match="more than one shortest path"):
        KIND.read_row(TWO_PATHS, "")
    with pytest.raises(UsageError, match="not the shortest path"):
        KIND.read_row(maze_line(maze), maze_line(np.where(maze == WAY, PATH, maze)))


def test_a_drawing_shows_walls_path_and_what_is_wrong_without_colours() -> None:
    (maze,), (solution,) = made(9, 1)
    changed, wrong = np.zeros(81, dtype=bool), np.zeros(81, dtype=bool)
    first, second, *_ = np.flatnonzero(solution == PATH)
    changed[first] = wrong[first] = wrong[second] = True
    text = "".join(part for part, _ in draw_maze(solution, changed, wrong))
    lines = text.split("\n")
    assert len(lines) == 11 and {len(line) for line in lines} == {20}
    assert text.count("██") == (maze == WALL).sum() and text.count("o") == (solution == PATH).sum()
    assert text.count("o*") == 1 and text.count("o×") == 1 and "S " in text and "G " in text
    marks = {mark for _, mark in draw_maze(solution, changed, wrong)}
    assert marks == {"frame", "blank", "clue", "filled", "changed", "wrong"}
    assert (maze == GOAL).sum() == 1
