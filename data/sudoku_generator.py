"""Sudoku puzzles with exactly one solution, and a number of clues that is drawn evenly from a range.

A solution is drawn by filling an empty grid at random. Then clues are removed, many at once, and the solver
looks for a second solution. If there is one, the cells in which the two differ form a set: every puzzle of
the first solution needs a clue in one of them. The next removal leaves a clue in every such set.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from data.errors import UsageError
from data.sudoku_grid import SIZES, geometry
from data.sudoku_solver import Option, candidate_board, grid_of, search

CLUES = {4: (4, 8), 6: (12, 18), 9: (36, 45)}
"""The fewest and the most clues of a puzzle by default, by the size of the grid."""
HARD_CLUES = (22, 27)
"""The same for hard 9×9 puzzles."""
FEWEST_CLUES = {4: 4, 6: 8, 9: 21}
"""The fewest clues that can be asked for. On 4×4 and 6×6 no puzzle has fewer; on 9×9 there are puzzles with
17, but finding one takes longer than seconds."""

_ORDERS_PER_SOLUTION = 60
_REPEATS_IN_A_ROW = 5000


def generate(
    size: int, count: int, clues: tuple[int, int] | None = None, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`count` different puzzles of size × size with their solutions, both (n * n,) uint8.

    `clues` are the fewest and the most, by default CLUES. The puzzles are the candidates number 0, 1, … of
    `make_puzzle` without repeated ones. Raises UsageError for a size or a number of clues out of range, and
    where no more different puzzles are found.
    """
    low, high = clues_in_bounds(size, clues)
    seen: set[bytes] = set()
    repeats = 0
    for number in itertools.count():
        if len(seen) >= count:
            return
        puzzle, solution = make_puzzle(size, (low, high), seed, number)
        key = puzzle.tobytes()
        repeats = repeats + 1 if key in seen else 0
        if repeats > _REPEATS_IN_A_ROW:
            raise UsageError(
                f"Only {len(seen)} different {geometry(size).name} puzzles with {low} to {high} clues were"
                f" found, and {count} were asked for.",
                hint="Ask for fewer puzzles, or for a wider range of clues.",
            )
        if not repeats:
            seen.add(key)
            yield puzzle, solution


def make_puzzle(size: int, clues: tuple[int, int], seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidate `number` of a seed: a puzzle and its one solution, both (n * n,) uint8.

    It depends on the arguments only, so candidates may be made in any order by any process. Two of them may
    be equal.
    """
    rng = np.random.default_rng((seed % 2**64, number))
    clue_count = int(rng.integers(clues[0], clues[1] + 1))
    while True:
        solution = _random_solution(size, rng)
        puzzle = _with_clues(solution, clue_count, rng)
        if puzzle is not None:
            return puzzle, solution


def clues_in_bounds(size: int, clues: tuple[int, int] | None) -> tuple[int, int]:
    """The fewest and the most clues. Raises UsageError for a size or a range that is not possible."""
    if size not in SIZES:
        raise UsageError(f"There is no {size}×{size} Sudoku here.", hint="The sizes are 4, 6 and 9.")
    low, high = clues or CLUES[size]
    most = size * size - 1
    if not FEWEST_CLUES[size] <= low <= high <= most:
        raise UsageError(
            f"{low} to {high} clues are not possible on {geometry(size).name}.",
            hint=f"Choose a range within {FEWEST_CLUES[size]} to {most}.",
        )
    return low, high


def _random_solution(size: int, rng: np.random.Generator) -> np.ndarray:
    cells = size * size
    board = candidate_board(np.zeros(cells, dtype=np.uint8)) or []

    def at_random(options: list[Option]) -> list[Option]:
        return [options[index] for index in rng.permutation(len(options)).tolist()]

    return grid_of(next(search(board, cells, at_random)), cells)


def _with_clues(solution: np.ndarray, clue_count: int, rng: np.random.Generator) -> np.ndarray | None:
    """A puzzle with `clue_count` clues that has only this solution, or None where none was found."""
    cells = len(solution)
    needed: list[int] = []
    for _ in range(_ORDERS_PER_SOLUTION):
        order = rng.permutation(cells).tolist()
        while (clues := _choose_clues(order, clue_count, needed)) is not None:
            puzzle = solution.copy()
            puzzle[[cell for cell in range(cells) if not clues >> cell & 1]] = 0
            differing = _differing_cells(puzzle, solution)
            if not differing:
                return puzzle
            needed.append(differing)
    return None


def _choose_clues(order: list[int], clue_count: int, needed: list[int]) -> int | None:
    """The cells of `clue_count` clues, as bits: cells are removed in that order unless one of the `needed`
    sets would have none left. None where too many cells are left."""
    clues = (1 << len(order)) - 1
    surplus = len(order) - clue_count
    for cell in order:
        if not surplus:
            return clues
        without = clues & ~(1 << cell)
        for group in needed:
            if not without & group:
                break
        else:
            clues = without
            surplus -= 1
    return None if surplus else clues


def _differing_cells(puzzle: np.ndarray, solution: np.ndarray) -> int:
    """The cells, as bits, in which another solution of the puzzle differs from this one; 0 where there is
    none.

    The digits of this solution are tried first. So the other one is found by changing the last choices, and
    differs in few cells.
    """

    def as_known(options: list[Option]) -> list[Option]:
        return sorted(options, key=lambda option: solution[option[0].bit_length() - 1] != option[1] + 1)

    board = candidate_board(puzzle) or []
    other = next(itertools.islice(search(board, len(solution), as_known), 1, 2), None)
    if other is None:
        return 0
    differing = np.flatnonzero(grid_of(other, len(solution)) != solution)
    return sum(1 << cell for cell in differing.tolist())
