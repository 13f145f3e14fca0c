"""A Sudoku solver, and a measure of how hard a puzzle is.

A board is a list with one integer for each digit, which has a bit for each cell where the digit may still be.
So one operation acts on all cells at once.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.sudoku_grid import geometry_of, units

Option = tuple[int, int]
"""A cell, as its bit, and a digit, counted from 0."""


@dataclass(frozen=True, slots=True)
class _Masks:
    """Sets of cells, as integers with a bit for each cell."""

    all: int
    units: tuple[int, ...]
    not_peers: dict[int, int]
    """From the bit of a cell to that cell and all cells that share no unit with it."""


def solve(grid: np.ndarray) -> np.ndarray | None:
    """A solution (n * n,) of a grid (n * n,), or None where there is none."""
    return next(solutions(grid), None)


def count_solutions(grid: np.ndarray, limit: int = 2) -> int:
    """How many solutions a grid has, `limit` at most."""
    return sum(1 for _ in itertools.islice(solutions(grid), limit))


def solutions(grid: np.ndarray) -> Iterator[np.ndarray]:
    """Every solution of a grid, each (n * n,) uint8, found by propagation and backtracking."""
    board = candidate_board(grid)
    if board is not None:
        for solved in search(board, grid.shape[-1], _in_order):
            yield grid_of(solved, grid.shape[-1])


def search_nodes(grid: np.ndarray, most: int = sys.maxsize) -> int:
    """The difficulty of a puzzle: how many digits a simple backtracking search tries.

    The search fills the blanks in a fixed order: first those for which row, column and box leave the fewest
    digits at the start, and in reading order among equals. It tries each digit that is not in the blank's
    row, column or box, and goes back where any later blank has no digit left. It deduces nothing else, and
    goes on until it has seen that there is no further solution. Each digit tried counts as a node, so a
    puzzle in which no wrong digit is tried has as many nodes as blanks. Relabelling the digits does not
    change the count.

    The search ends after `most` nodes: the hardest puzzles need more than a hundred thousand, and a grid with
    many solutions practically never ends.
    """
    board = candidate_board(grid)
    if board is None:
        return 0
    left = [sum(candidates >> cell & 1 for candidates in board) for cell in range(len(grid))]
    blanks = sorted(np.flatnonzero(grid == 0).tolist(), key=lambda cell: left[cell])
    order = [1 << cell for cell in blanks]
    later = [0]
    for cell in reversed(order):
        later.append(later[-1] | cell)
    steps = list(zip(order, reversed(later[1:]), strict=True))
    return _count_nodes(board, steps, 0, _masks(len(grid)).not_peers, most)


def candidate_board(grid: np.ndarray) -> list[int] | None:
    """The board of a grid (n * n,): for each digit its clues and the cells where it may still be. None where
    a digit occurs twice in a unit."""
    n = geometry_of(grid).n
    masks = _masks(grid.shape[-1])
    placed, allowed = [0] * n, [masks.all] * n
    taken = 0
    for cell, digit in enumerate(grid.tolist()):
        if digit:
            bit = 1 << cell
            taken |= bit
            placed[digit - 1] |= bit
            allowed[digit - 1] &= masks.not_peers[bit]
    if any(clues & ~free for clues, free in zip(placed, allowed, strict=True)):
        return None
    return [clues | free & ~taken for clues, free in zip(placed, allowed, strict=True)]


def search(
    board: list[int], cells: int, order: Callable[[list[Option]], Sequence[Option]], settled: int = 0
) -> Iterator[list[int]]:
    """Every solved board that can be reached from `board`, which is changed.

    `order` sorts the options wherever there is a choice. `settled` are the cells with one digit that is
    already removed from the other cells of their units.
    """
    masks = _masks(cells)
    settled = _propagate(board, settled, masks)
    if settled == masks.all:
        yield board
    elif settled >= 0:
        for cell, digit in order(_fewest_options(board, masks)):
            child = [candidates & ~cell for candidates in board]
            child[digit] |= cell
            yield from search(child, cells, order, settled)


def grid_of(board: list[int], cells: int) -> np.ndarray:
    """A solved board as a grid (n * n,) uint8."""
    grid = np.zeros(cells, dtype=np.uint8)
    for digit, candidates in enumerate(board, start=1):
        while candidates:
            grid[(candidates & -candidates).bit_length() - 1] = digit
            candidates &= candidates - 1
    return grid


def _in_order(options: list[Option]) -> list[Option]:
    return options


@functools.cache
def _masks(cells: int) -> _Masks:
    n = int(cells**0.5)
    all_units = tuple(sum(1 << cell for cell in unit) for unit in units(n).tolist())
    everything = (1 << cells) - 1
    not_peers = {}
    for cell in range(cells):
        peers = 0
        for unit in all_units:
            peers |= unit if unit >> cell & 1 else 0
        not_peers[1 << cell] = everything & ~peers | 1 << cell
    return _Masks(everything, all_units, not_peers)


def _propagate(board: list[int], settled: int, masks: _Masks) -> int:
    """Fill in each cell with one digit left and each digit with one place left in a unit, until there is
    none.

    Returns the settled cells, or -1 where a cell has no digit left or a digit no place.
    """
    not_peers = masks.not_peers
    while True:
        one = two = 0
        for candidates in board:
            two |= one & candidates
            one |= candidates
        if one != masks.all:
            return -1
        single = one & ~two & ~settled
        if single:
            settled |= single
            for digit, candidates in enumerate(board):
                found = candidates & single
                while found:
                    cell = found & -found
                    found ^= cell
                    candidates &= not_peers[cell]
                board[digit] = candidates
        elif settled == masks.all:
            return settled
        else:
            outcome = _fill_only_places(board, settled, masks)
            if outcome <= 0:
                return settled if outcome == 0 else -1


def _fill_only_places(board: list[int], settled: int, masks: _Masks) -> int:
    """Where a digit has one place left in a unit, remove the other digits from that cell.

    Returns the number of such places, or -1 where a digit has none.
    """
    count = 0
    for digit, candidates in enumerate(board):
        if not candidates & ~settled:
            continue
        for unit in masks.units:
            place = candidates & unit
            if not place & (place - 1):
                if not place:
                    return -1
                if not place & settled:
                    count += 1
                    for other in range(len(board)):
                        board[other] &= ~place
                    board[digit] |= place
    return count


def _fewest_options(board: list[int], masks: _Masks) -> list[Option]:
    """The options to try: the digits of a cell or the places of a digit in a unit, whichever are fewest."""
    at_least = [masks.all] + [0] * len(board)
    for number, candidates in enumerate(board, start=1):
        for count in range(number, 0, -1):
            at_least[count] |= at_least[count - 1] & candidates
    fewest = next(
        count for count in range(2, len(board) + 1) if at_least[count] & ~_from(at_least, count + 1)
    )
    cells = at_least[fewest] & ~_from(at_least, fewest + 1)
    cell = cells & -cells
    options = [(cell, digit) for digit, candidates in enumerate(board) if candidates & cell]
    if fewest == 2:
        return options
    for digit, candidates in enumerate(board):
        for unit in masks.units:
            places = candidates & unit
            if 1 < places.bit_count() < len(options):
                options = [(bit, digit) for bit in _bits(places)]
    return options


def _from(at_least: list[int], count: int) -> int:
    return at_least[count] if count < len(at_least) else 0


def _bits(cells: int) -> Iterator[int]:
    while cells:
        yield cells & -cells
        cells &= cells - 1


def _count_nodes(
    board: list[int], order: list[tuple[int, int]], depth: int, not_peers: dict[int, int], most: int
) -> int:
    """The nodes of the search from a board, `most` at most; `order` has each blank, and all blanks from it
    on."""
    if depth == len(order):
        return 0
    cell, blanks = order[depth]
    possible = 0
    for candidates in board:
        possible |= candidates
    if blanks & ~possible:
        return 0
    nodes = 0
    for digit, candidates in enumerate(board):
        if candidates & cell:
            if nodes >= most:
                break
            child = list(board)
            child[digit] = candidates & not_peers[cell]
            nodes += 1 + _count_nodes(child, order, depth + 1, not_peers, most - nodes - 1)
    return nodes
