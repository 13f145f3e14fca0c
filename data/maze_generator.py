"""Mazes with one shortest path.

Every second cell of every second row is a room. Wilson's algorithm ("Generating random spanning trees more
quickly than the cover time", 1996) joins all rooms to a tree, and every such tree is equally likely. Then a
share of the other walls between rooms is opened, so that there are loops. The start and the goal are rooms
with exactly one shortest path between them. Its length is drawn evenly from those that the start has, without
the short ones. In grids of an even side, one line of walls is left over at a random edge.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from data.errors import UsageError
from data.maze_grid import GOAL, PATH, SIDES, START, WALL, WAY, distances, neighbours, path_counts

LOOPS = 0.1
"""The share of the walls between rooms that are opened after the tree is made."""

_STARTS_PER_MAZE = 8
_REPEATS_IN_A_ROW = 5000


def generate(n: int, count: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`count` different mazes of n × n with their solutions, both (n * n,) uint8.

    They are the candidates number 0, 1, … of `make_maze` without repeated ones. Raises UsageError for a side
    out of range, and where no more different ones are found.
    """
    if n not in SIDES:
        raise UsageError(
            f"There are no mazes of {n}×{n} here.", hint=f"The sides are {SIDES[0]} to {SIDES[-1]}."
        )
    seen: set[bytes] = set()
    repeats = 0
    for number in itertools.count():
        if len(seen) >= count:
            return
        maze, solution = make_maze(n, seed, number)
        key = maze.tobytes()
        repeats = repeats + 1 if key in seen else 0
        if repeats > _REPEATS_IN_A_ROW:
            raise UsageError(f"Only {len(seen)} different mazes were found.", hint="Ask for fewer mazes.")
        if not repeats:
            seen.add(key)
            yield maze, solution


def make_maze(n: int, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidate `number` of a seed: a maze and its one solution, both (n * n,) uint8. It depends on the
    arguments only."""
    draw = _uniform(np.random.default_rng((seed % 2**64, number)))
    side = (n + 1) // 2
    while True:
        doors = _opened(_spanning_tree(side, draw), side, draw)
        found = _path(side, doors, (n - 1) // 2, draw)
        if found is not None:
            return _grid(n, doors, found, draw)


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    """Random numbers from 0 to 1."""
    while True:
        yield from rng.random(512).tolist()


def _spanning_tree(side: int, draw: Iterator[float]) -> set[tuple[int, int]]:
    """The doors of a tree over side × side rooms: pairs of rooms, the smaller number first."""
    around = neighbours(side)
    is_joined = [False] * side * side
    is_joined[int(next(draw) * len(is_joined))] = True
    onward = [0] * len(is_joined)
    doors = set()
    for first in range(len(is_joined)):
        room = first
        while not is_joined[room]:  # a random walk; where it comes back, the loop is forgotten
            onward[room] = around[room][int(next(draw) * len(around[room]))]
            room = onward[room]
        room = first
        while not is_joined[room]:
            is_joined[room] = True
            doors.add(_door(room, onward[room]))
            room = onward[room]
    return doors


def _opened(doors: set[tuple[int, int]], side: int, draw: Iterator[float]) -> set[tuple[int, int]]:
    """The doors and a share of the others."""
    around = neighbours(side)
    possible = [(room, other) for room in range(side * side) for other in around[room] if room < other]
    return doors | {door for door in possible if next(draw) < LOOPS and door not in doors}


def _path(side: int, doors: set[tuple[int, int]], least: int, draw: Iterator[float]) -> list[int] | None:
    """The rooms of a path of at least `least` steps that is the only shortest one between its ends, or None
    where a few tries find none."""
    around = tuple(
        tuple(other for other in others if _door(room, other) in doors)
        for room, others in enumerate(neighbours(side))
    )
    for _ in range(_STARTS_PER_MAZE):
        start = int(next(draw) * side * side)
        steps = distances([True] * side * side, start, around)
        counts = path_counts(steps, around)
        goals = [room for room, step in enumerate(steps) if step >= least and counts[room] == 1]
        if goals:
            lengths = sorted({steps[room] for room in goals})
            length = lengths[int(next(draw) * len(lengths))]  # so that long paths are not rare
            goals = [room for room in goals if steps[room] == length]
            path = [goals[int(next(draw) * len(goals))]]
            while path[-1] != start:
                path.append(next(room for room in around[path[-1]] if steps[room] == steps[path[-1]] - 1))
            return path
    return None


def _grid(
    n: int, doors: set[tuple[int, int]], path: list[int], draw: Iterator[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Maze and solution for rooms, doors and the path from its goal to its start."""
    side = (n + 1) // 2
    margins = (0, 0) if n % 2 else (int(next(draw) * 2), int(next(draw) * 2))

    def cell(room: int, other: int) -> int:
        """The cell of a room, or of the door between two."""
        (row, column), (row_2, column_2) = divmod(room, side), divmod(other, side)
        return (row + row_2 + margins[0]) * n + column + column_2 + margins[1]

    maze = np.full(n * n, WALL, dtype=np.uint8)
    maze[[cell(room, room) for room in range(side * side)]] = WAY
    maze[[cell(*door) for door in doors]] = WAY
    solution = maze.copy()
    solution[[cell(room, room) for room in path] + [cell(*pair) for pair in itertools.pairwise(path)]] = PATH
    for grid in (maze, solution):
        grid[cell(path[-1], path[-1])], grid[cell(path[0], path[0])] = START, GOAL
    return maze, solution


def _door(room: int, other: int) -> tuple[int, int]:
    return (room, other) if room < other else (other, room)
