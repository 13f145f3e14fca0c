"""Mazes on a square grid: walls, ways, a start and a goal; and their shortest paths, by breadth-first search.

A maze is a uint8 array (n * n,) in reading order, n from 9 to 30. The ways are connected up, down, left and
right. In a solution the ways of one shortest path are marked as PATH; the start and the goal stay.
"""

import functools

import numpy as np

from data.errors import UsageError

WALL, WAY, START, GOAL, PATH = range(5)
SYMBOLS = 5
SIDES = range(9, 31)


def side_of(cells: int) -> int:
    """n of a maze of n × n cells. Raises ValueError where no maze has so many."""
    n = round(cells**0.5)
    if n * n != cells or n not in SIDES:
        raise ValueError(f"{cells} cells are not a maze: a maze has 9×9 to 30×30")
    return n


@functools.cache
def neighbours(n: int) -> tuple[tuple[int, ...], ...]:
    """The cells above, below, left and right of each cell of an n × n grid."""
    found = []
    for cell in range(n * n):
        row, column = divmod(cell, n)
        around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
        found.append(tuple(r * n + c for r, c in around if 0 <= r < n and 0 <= c < n))
    return tuple(found)


def distances(is_open: list[bool], start: int, around: tuple[tuple[int, ...], ...]) -> list[int]:
    """The steps from `start` to each open cell; -1 where no way leads there."""
    found = [-1] * len(is_open)
    found[start] = 0
    front = [start]
    while front:
        reached = []
        for cell in front:
            for other in around[cell]:
                if found[other] < 0 and is_open[other]:
                    found[other] = found[cell] + 1
                    reached.append(other)
        front = reached
    return found


def path_counts(steps: list[int], around: tuple[tuple[int, ...], ...]) -> list[int]:
    """How many shortest paths lead to each cell, for the `steps` that `distances` found."""
    counts = [int(step == 0) for step in steps]
    for cell in sorted((cell for cell, step in enumerate(steps) if step > 0), key=steps.__getitem__):
        counts[cell] = sum(counts[other] for other in around[cell] if steps[other] == steps[cell] - 1)
    return counts


def shortest_path(maze: np.ndarray) -> tuple[np.ndarray, bool]:
    """The maze (n * n,) with a shortest path marked, and whether there is no other.

    Raises UsageError where no way leads from the start to the goal.
    """
    around = neighbours(side_of(len(maze)))
    start, goal = ends(maze)
    steps = distances((maze != WALL).tolist(), start, around)
    if steps[goal] < 0:
        raise UsageError("The maze has no way from S to G.", hint="Open a wall and try again.")
    solution, cell = maze.copy(), goal
    while steps[cell] > 1:
        cell = next(other for other in around[cell] if steps[other] == steps[cell] - 1)
        solution[cell] = PATH
    return solution, path_counts(steps, around)[goal] == 1


def path_length(maze: np.ndarray) -> int:
    """The steps of a shortest path from the start to the goal of a maze (n * n,); -1 where there is none."""
    start, goal = ends(maze)
    return distances((maze != WALL).tolist(), start, neighbours(side_of(len(maze))))[goal]


def is_shortest_path(answer: np.ndarray, maze: np.ndarray) -> bool:
    """Whether the marked cells of an answer (n * n,) are a shortest path of the maze, and all else is as it
    was. Any shortest path is right."""
    return not find_fault(answer, maze)


def find_fault(answer: np.ndarray, maze: np.ndarray) -> str:
    """A sentence part on why the marked cells of an answer (n * n,) are no shortest path, or ""."""
    marked = answer == PATH
    if not np.array_equal(np.where(marked, WAY, answer), maze):
        return "it changes the maze"
    start, goal = ends(maze)
    around, shortest, count = neighbours(side_of(len(maze))), path_length(maze), int(marked.sum())
    marked[[start, goal]] = True
    steps = distances(marked.tolist(), start, around)[goal]
    if steps < 0:
        return "the marked cells do not lead from S to G"
    if steps > shortest:
        return f"the path takes {steps} steps, and the shortest {shortest}"
    if (beside := count - (steps - 1)) > 0:
        return f"{beside} of the marked cells {'is' if beside == 1 else 'are'} not on the path"
    return ""


def ends(maze: np.ndarray) -> tuple[int, int]:
    """The cells of the start and of the goal."""
    return int(np.flatnonzero(maze == START)[0]), int(np.flatnonzero(maze == GOAL)[0])
