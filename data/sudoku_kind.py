"""Sudoku as a kind of puzzle."""

from collections.abc import Iterator

import numpy as np

from data.errors import UsageError
from data.nearest import did_you_mean
from data.puzzle_kind import GridLayout, Mark, NamedSet, PuzzleKind, Symmetry
from data.puzzle_words import PLURALS
from data.sudoku_checker import conflicts, find_repeated_digit, is_solution_of, require_unique
from data.sudoku_generator import CLUES, HARD_CLUES, generate
from data.sudoku_grid import SIZES, geometry
from data.sudoku_solver import search_nodes
from data.sudoku_symmetry import random_symmetry, symmetry_key
from data.sudoku_text import cells_in, draw_grid, grid_line, has_grid_length, parse_grid, parse_grids

MAX_NODES = 20_000
"""Search nodes at which measuring the difficulty of a puzzle stops. A fifth of hard 9×9 ones get there."""

_SETS = {
    "sudoku:4x4": (4, CLUES[4], 20_000),
    "sudoku:6x6": (6, CLUES[6], 20_000),
    "sudoku:9x9": (9, CLUES[9], 10_000),
    "sudoku:9x9-hard": (9, HARD_CLUES, 2_000),
}
"""The side, the fewest and the most clues, and the usual number of puzzles."""


class SudokuKind(PuzzleKind):
    """4×4, 6×6 and 9×9. A symbol is a digit, and 0 a blank, which is asked."""

    task = "sudoku"
    noun = "Sudoku"
    plural = PLURALS[task]
    row_format = (
        "Each row is puzzle,solution of 16, 36 or 81 cells, a dot or 0 for a blank; the solution may be "
        "missing."
    )
    padding = "."
    placeholder = "row by row, . or 0 for a blank"
    has_conflicts = True
    marks_wrong = False
    grade_name = "clues"
    graded_by = "the number of their clues"

    @classmethod
    def layout_of(cls, symbols: int, cells: int) -> GridLayout:
        n, shape, places = symbols - 1, geometry(symbols - 1), np.arange(cells)
        if cells != shape.cells:
            raise ValueError(f"a Sudoku of {n} digits has {shape.cells} cells, not {cells}")
        rows, columns = places // n, places % n
        boxes = rows // shape.box_height * (n // shape.box_width) + columns // shape.box_width
        units = np.stack((rows, columns, boxes))
        is_blank, together = np.arange(symbols) == 0, units[:, :, None] == units[:, None, :]
        return GridLayout(is_blank, ~is_blank, units, together, np.zeros((0, cells), dtype=int), (n, n))

    @classmethod
    def named_set(cls, name: str) -> NamedSet:
        if name not in _SETS:
            raise UsageError(f"There are no puzzles called '{name}'.", hint=did_you_mean(name, _SETS))
        n, clues, usual = _SETS[name]
        return NamedSet(
            cls(), n * n, usual, (name, str(clues)), lambda count, seed: generate(n, count, clues, seed)
        )

    def symbol_count(self, cells: int) -> int:
        return self.side(cells) + 1

    def side(self, cells: int) -> int:
        n = next((n for n in SIZES if n * n == cells), None)
        if n is None:
            raise ValueError(f"{cells} cells are not a grid: a grid has 16, 36 or 81")
        return n

    def box(self, cells: int) -> tuple[int, int]:
        shape = geometry(self.side(cells))
        return shape.box_height, shape.box_width

    def parse(self, text: str, what: str | None = None) -> np.ndarray:
        return parse_grid(text, what or self.word)

    def parse_all(self, text: str) -> list[np.ndarray]:
        return parse_grids(text)

    def is_row(self, line: str) -> bool:
        return has_grid_length(line)

    def line(self, grid: np.ndarray) -> str:
        return grid_line(grid)

    def counts(self, puzzle: np.ndarray) -> list[tuple[str, int]]:
        clues = int(np.count_nonzero(puzzle))
        return [("clues", clues), ("blank", len(puzzle) - clues)]

    def cells_in(self, text: str) -> int:
        return cells_in(text)

    def cell_text(self, symbol: int) -> str:
        return str(symbol) if symbol else ""

    def draw(
        self,
        grid: np.ndarray,
        puzzle: np.ndarray,
        changed: np.ndarray | None = None,
        wrong: np.ndarray | None = None,
    ) -> Iterator[tuple[str, Mark]]:
        return draw_grid(grid, puzzle, changed)

    def read_row(self, puzzle: str, solution: str) -> tuple[np.ndarray, np.ndarray]:
        grid = parse_grid(puzzle)
        if grid.all():
            raise UsageError("The puzzle has no blank cell.")
        found = require_unique(grid)
        if solution and not np.array_equal(parse_grid(solution, "solution"), found):
            raise UsageError("The solution is not that of the puzzle.")
        return grid, found

    def solve(self, puzzle: np.ndarray) -> np.ndarray:
        return require_unique(puzzle)

    def is_solution_of(self, answers: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
        return is_solution_of(answers, puzzles)

    def fault_of(self, answer: np.ndarray, puzzle: np.ndarray) -> str:
        return find_repeated_digit(answer) or super().fault_of(answer, puzzle)

    def conflicts(self, grid: np.ndarray) -> np.ndarray:
        return conflicts(grid)

    def random_symmetry(self, rng: np.random.Generator, cells: int, batch: int) -> Symmetry:
        return random_symmetry(rng, self.side(cells), batch)

    def keys(self, puzzles: np.ndarray) -> np.ndarray:
        return symmetry_key(puzzles)

    def separates_by_key(self, cells: int) -> bool:
        """Not on 4×4: there are too few puzzles that differ under every symmetry."""
        return cells != 16

    def difficulty(self, puzzle: np.ndarray) -> float:
        """The nodes of a search."""
        return search_nodes(puzzle, MAX_NODES)

    def grades(self, puzzles: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        return np.count_nonzero(puzzles, axis=1)

    def generate(self, cells: int, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return generate(self.side(cells), count, seed=seed)
