"""The contract of a kind of puzzle: a grid is given, and a grid of the same cells is the answer.

A grid is a uint8 array (..., T) in reading order. A kind takes the size of a grid from the number of its
cells. The kinds are in `data.puzzle_kinds`; what a model knows of them is a `GridLayout`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from data.errors import UsageError

Mark = Literal["frame", "blank", "clue", "filled", "changed", "wrong"]
"""What a piece of a drawing is. A clue is a cell of the puzzle; "filled", "changed" and "wrong" ones are
answers."""


@dataclass(frozen=True, slots=True)
class GridLayout:
    """What a model has to know of the grids of one size: T cells with one of V symbols each."""

    is_asked: np.ndarray
    """(V,) bool: whether a cell with this symbol is one whose answer is asked. Other cells stay."""
    is_answer: np.ndarray
    """(V,) bool: whether this symbol may be the answer of a cell."""
    units: np.ndarray
    """(U, T) int64, from 0 on: the groups that each cell is in, such as its row, its column and its box."""
    views: np.ndarray
    """(K, T, T) bool: which cells an attention head may see from each cell, apart from all of them."""
    neighbours: np.ndarray
    """(K, T) int64: the cells that an attention head may take from, one for each cell, such as the one above;
    none where the heads have `views`."""
    shape: tuple[int, int]
    """Rows and columns."""


@dataclass(frozen=True, slots=True)
class Symmetry:
    """One change for each grid of a batch that leaves the problem the same."""

    cells: np.ndarray
    """(B, T): for each cell, the cell its content is taken from."""
    digits: np.ndarray
    """(B, V) uint8: what each symbol becomes."""

    def apply(self, grids: np.ndarray) -> np.ndarray:
        """The grids (B, T) transformed, puzzles and solutions alike."""
        return np.take_along_axis(self.digits, np.take_along_axis(grids, self.cells, axis=1), axis=1)


@dataclass(frozen=True, slots=True)
class NamedSet:
    """Puzzles that are made here, by a name such as sudoku:4x4."""

    kind: "PuzzleKind"
    cells: int
    usual_count: int
    identity: tuple[str, ...]
    """What the puzzles depend on besides their number and the seed."""
    generate: Callable[[int, int], Iterator[tuple[np.ndarray, np.ndarray]]]
    """From a number and a seed: so many different puzzles and their solutions, each (T,) uint8."""


class PuzzleKind(ABC):
    """One kind of puzzle. Grids of any size that it has can be given to its methods."""

    task: ClassVar[str]
    """`model.task` of a model that solves it."""
    noun: ClassVar[str]
    """What one is called, in the singular: Sudoku."""
    plural: ClassVar[str]
    """What many of one size are called."""
    filled: ClassVar[str] = "filled"
    """What the first answer did with the cells that it changed."""
    word: ClassVar[str] = "puzzle"
    """What one is called in messages on its text."""
    cell_word: ClassVar[str] = "cell"
    columns: ClassVar[tuple[str, str]] = ("puzzle", "solution")
    """The names of the columns of a CSV that is written."""
    row_format: ClassVar[str]
    """How a row of a CSV is written, as a sentence."""
    raw_dtype: ClassVar[type[np.generic]] = np.uint8
    """The type of cells that `read_row` returns."""
    has_rules: ClassVar[bool] = True
    """Whether an answer can be checked without knowing the solution."""
    has_conflicts: ClassVar[bool] = False
    """Whether `conflicts` finds any."""
    marks_wrong: ClassVar[bool] = True
    """Whether drawings outside of the application mark cells that differ from the solution."""
    has_symmetries: ClassVar[bool] = True
    padding: ClassVar[str] = ""
    """A blank cell as text, which completes a grid that is typed; empty where there is none."""
    placeholder: ClassVar[str] = "row by row"
    """What stands in an empty field for a grid."""
    letters: str = ""
    """Letters and slashes that the text of a grid may have."""
    grade_name: ClassVar[str] = ""
    """What `grades` counts, in a word; empty where there are no grades."""
    graded_by: ClassVar[str] = ""
    """The same as the end of "puzzles by …"."""
    symbols: str | None = None
    """The symbols of its cells in their order, where they come from a file."""

    @classmethod
    @abstractmethod
    def layout_of(cls, symbols: int, cells: int) -> GridLayout:
        """What a model knows of grids of so many cells, each with one of so many symbols. Raises ValueError
        for sizes that no puzzle of the kind has."""

    @classmethod
    def named_set(cls, name: str) -> NamedSet | None:
        """The puzzles of that name, which begins with the task and a colon. Raises UsageError where there is
        no such set; None where the kind makes none."""
        return None

    @abstractmethod
    def symbol_count(self, cells: int) -> int:
        """How many symbols a cell of grids of so many cells may have."""

    def layout(self, cells: int) -> GridLayout:
        """What a model knows of grids of so many cells."""
        return self.layout_of(self.symbol_count(cells), cells)

    @abstractmethod
    def side(self, cells: int) -> int:
        """n of n × n cells; the length of a string."""

    def size_name(self, cells: int) -> str:
        """Such as "9×9"."""
        return f"{self.side(cells)}×{self.side(cells)}"

    def set_name(self, cells: int) -> str:
        """The name of a set of puzzles of so many cells that is made here."""
        return f"{self.task}:{self.side(cells)}x{self.side(cells)}"

    def box(self, cells: int) -> tuple[int, int]:
        """Rows and columns of the boxes that a grid of so many cells is drawn with."""
        return self.layout(cells).shape

    def asked(self, puzzles: np.ndarray) -> np.ndarray:
        """The cells of puzzles (..., T) whose answer is asked: (..., T) bool."""
        return np.asarray(self.layout(puzzles.shape[-1]).is_asked[puzzles])

    @abstractmethod
    def parse(self, text: str, what: str | None = None) -> np.ndarray:
        """A grid (T,) from text. Raises UsageError; its message calls the grid `what`."""

    @abstractmethod
    def parse_all(self, text: str) -> list[np.ndarray]:
        """All grids of a text that is not a CSV. Raises UsageError as `parse`, or where there is none."""

    @abstractmethod
    def is_row(self, line: str) -> bool:
        """Whether a line without separators is a whole grid, and not a part of a drawing."""

    @abstractmethod
    def line(self, grid: np.ndarray) -> str:
        """A grid (T,) as one line that `parse` reads."""

    @abstractmethod
    def counts(self, puzzle: np.ndarray) -> list[tuple[str, int]]:
        """What a puzzle (T,) has, in words and numbers."""

    def cells_in(self, text: str) -> int:
        """How many cells `parse` sees in a text, whatever is in them."""
        return len(text.strip())

    @abstractmethod
    def cell_text(self, symbol: int) -> str:
        """What one cell shows, at most one character; empty for a blank and a wall."""

    @abstractmethod
    def draw(
        self,
        grid: np.ndarray,
        puzzle: np.ndarray,
        changed: np.ndarray | None = None,
        wrong: np.ndarray | None = None,
    ) -> Iterator[tuple[str, Mark]]:
        """A drawing of a grid (T,) over lines: its pieces in order, and what each is. The last line has no
        newline. Cells of `changed` and of `wrong` (T,) bool are marked, also without colours."""

    @abstractmethod
    def read_row(self, puzzle: str, solution: str) -> tuple[np.ndarray, np.ndarray]:
        """Puzzle and solution (T,) from two cells of a CSV, of which the second may be empty. Raises
        UsageError where the row cannot be used to learn from."""

    def settle(self, puzzles: np.ndarray, solutions: np.ndarray) -> tuple[Self, np.ndarray, np.ndarray]:
        """The kind, and puzzles and solutions (N, T) uint8, for what `read_row` read of a whole file."""
        return self, puzzles, solutions

    def of_training(
        self, learned: np.ndarray, held_out: np.ndarray
    ) -> tuple[Self, np.ndarray, np.ndarray, list[str]]:
        """The kind as a model can learn it from `learned` (2, N, T), both parts as that kind has them, and
        sentences on what was left out of `held_out` (2, M, T)."""
        return self, learned, held_out, []

    @abstractmethod
    def solve(self, puzzle: np.ndarray) -> np.ndarray | None:
        """A solution (T,) of a puzzle (T,); None where there are no rules. Raises UsageError for a puzzle
        that is not possible."""

    @abstractmethod
    def is_solution_of(self, answers: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
        """Whether each of `answers` (..., T) solves its puzzle by the rules: (...,) bool. Without rules,
        False."""

    def fault_of(self, answer: np.ndarray, puzzle: np.ndarray) -> str:
        """Why an answer (T,) does not solve its puzzle (T,), as a part of a sentence."""
        return "it breaks the rules"

    def conflicts(self, grid: np.ndarray) -> np.ndarray:
        """The cells of a grid (T,) that break a rule together, as equal digits in a row do: (T,) bool."""
        return np.zeros(grid.shape, dtype=bool)

    def random_symmetry(self, rng: np.random.Generator, cells: int, batch: int) -> Symmetry | None:
        """`batch` symmetries of grids of so many cells, all equally likely; None where there are none."""
        return None

    @abstractmethod
    def keys(self, puzzles: np.ndarray) -> np.ndarray:
        """(N,) uint64 for puzzles (N, T): the same for two that are equal under a symmetry."""

    def separates_by_key(self, cells: int) -> bool:
        """Whether held-out puzzles of so many cells differ from the others in their key, too."""
        return True

    def difficulty(self, puzzle: np.ndarray) -> float | None:
        """How hard a puzzle (T,) is for a plain solver; None where nothing is known of that."""
        return None

    def grades(self, puzzles: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        """(N,) int64 for puzzles and solutions (N, T): what `grade_name` says, to group them by."""
        raise NotImplementedError

    def generate(self, cells: int, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`count` different puzzles of so many cells with their solutions. Raises UsageError where none are
        made."""
        raise UsageError(f"A {self.noun} cannot be made here.", hint="Give one.")


def texts_of_grids(text: str, is_row: Callable[[str], bool]) -> list[str]:
    """The text of each grid: every line where `is_row` says that of all lines, else what is between empty
    lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(map(is_row, lines)):
        return lines
    return [block for block in re.split(r"\n[ \t\r]*\n", text) if block.strip()]
