"""Mazes as a kind of puzzle."""

from collections.abc import Iterator

import numpy as np

from data.errors import UsageError
from data.maze_generator import generate
from data.maze_grid import (
    GOAL,
    PATH,
    SIDES,
    START,
    SYMBOLS,
    WAY,
    find_fault,
    is_shortest_path,
    path_length,
    shortest_path,
    side_of,
)
from data.maze_symmetry import maze_key, random_turn
from data.maze_text import CHARACTERS, cells_in, draw_maze, is_square, maze_line, parse_maze
from data.puzzle_kind import GridLayout, Mark, NamedSet, PuzzleKind, Symmetry, texts_of_grids
from data.puzzle_words import PLURALS

_USUAL_COUNT = 20_000
"""Mazes of a set."""


class MazeKind(PuzzleKind):
    """9×9 to 30×30. The ways are asked: each is on the shortest path or not."""

    task = "maze"
    noun = "maze"
    plural = PLURALS[task]
    filled = "marked"
    word = "maze"
    row_format = (
        "Each row is maze,solution of n × n cells, n from 9 to 30: # . S G, and o for the path; the solution "
        "may be missing."
    )
    placeholder = "row by row, # . S G"
    letters = "SGo/"
    grade_name = "path"
    graded_by = "the steps of their path"

    @classmethod
    def layout_of(cls, symbols: int, cells: int) -> GridLayout:
        if symbols != SYMBOLS:
            raise ValueError(f"a maze has {SYMBOLS} symbols, not {symbols}")
        n, values, places = side_of(cells), np.arange(SYMBOLS), np.arange(cells)
        units = np.stack((places // n, places % n))
        is_answer = (values == WAY) | (values == PATH)
        none = np.zeros((0, cells, cells), dtype=bool)
        return GridLayout(values == WAY, is_answer, units, none, _neighbours(places.reshape(n, n)), (n, n))

    @classmethod
    def named_set(cls, name: str) -> NamedSet:
        n = next((n for n in SIDES if name == f"{cls.task}:{n}x{n}"), None)
        if n is None:
            raise UsageError(
                f"There are no mazes called '{name}'.",
                hint=f"The sizes are {SIDES[0]}x{SIDES[0]} to {SIDES[-1]}x{SIDES[-1]}: "
                "{train task=maze:15x15}",
                field="task",
            )
        return NamedSet(cls(), n * n, _USUAL_COUNT, (name,), lambda count, seed: generate(n, count, seed))

    def symbol_count(self, cells: int) -> int:
        return SYMBOLS

    def side(self, cells: int) -> int:
        return side_of(cells)

    def parse(self, text: str, what: str | None = None) -> np.ndarray:
        grid = parse_maze(text, what or self.word)
        if (grid == PATH).any():
            raise UsageError(f"The {what or self.word} has a path in it.", hint="Write . for each o.")
        return grid

    def parse_all(self, text: str) -> list[np.ndarray]:
        mazes = [self.parse(one) for one in texts_of_grids(text, self.is_row)]
        if not mazes:
            raise UsageError("There is no maze.", hint="Draw one with # . S G, or have one made.")
        return mazes

    def is_row(self, line: str) -> bool:
        return is_square(cells_in(line))

    def line(self, grid: np.ndarray) -> str:
        return maze_line(grid)

    def counts(self, puzzle: np.ndarray) -> list[tuple[str, int]]:
        return [("ways", int((puzzle == WAY).sum())), ("shortest", path_length(puzzle))]

    def cells_in(self, text: str) -> int:
        return cells_in(text)

    def cell_text(self, symbol: int) -> str:
        return CHARACTERS[symbol] if symbol in (START, GOAL, PATH) else ""

    def draw(
        self,
        grid: np.ndarray,
        puzzle: np.ndarray,
        changed: np.ndarray | None = None,
        wrong: np.ndarray | None = None,
    ) -> Iterator[tuple[str, Mark]]:
        return draw_maze(grid, changed, wrong)

    def read_row(self, puzzle: str, solution: str) -> tuple[np.ndarray, np.ndarray]:
        grid = self.parse(puzzle)
        found, is_only_one = shortest_path(grid)
        if not is_only_one:
            raise UsageError("The maze has more than one shortest path.")
        if solution and not np.array_equal(parse_maze(solution, "solution"), found):
            raise UsageError("The solution is not the shortest path of the maze.")
        return grid, found

    def solve(self, puzzle: np.ndarray) -> np.ndarray:
        return shortest_path(puzzle)[0]

    def is_solution_of(self, answers: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
        cells = answers.shape[-1]
        pairs = zip(answers.reshape(-1, cells), puzzles.reshape(-1, cells), strict=True)
        return np.array([is_shortest_path(*pair) for pair in pairs], dtype=bool).reshape(answers.shape[:-1])

    def fault_of(self, answer: np.ndarray, puzzle: np.ndarray) -> str:
        return find_fault(answer, puzzle)

    def random_symmetry(self, rng: np.random.Generator, cells: int, batch: int) -> Symmetry:
        return random_turn(rng, self.side(cells), batch)

    def keys(self, puzzles: np.ndarray) -> np.ndarray:
        return maze_key(puzzles)

    def difficulty(self, puzzle: np.ndarray) -> float:
        """The steps of the shortest path."""
        return path_length(puzzle)

    def grades(self, puzzles: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        return np.count_nonzero(solutions == PATH, axis=1) + 1

    def generate(self, cells: int, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return generate(self.side(cells), count, seed)


def _neighbours(places: np.ndarray) -> np.ndarray:
    """(4, n * n): the cell above, below, left and right of each of `places` (n, n); at an edge, itself."""
    beyond = np.pad(places, 1, mode="edge")
    above, below = beyond[:-2, 1:-1], beyond[2:, 1:-1]
    left, right = beyond[1:-1, :-2], beyond[1:-1, 2:]
    return np.stack((above, below, left, right)).reshape(4, -1)
