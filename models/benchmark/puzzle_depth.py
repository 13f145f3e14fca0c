"""What supervision steps buy a model of puzzles, and which puzzles need them."""

import itertools
import math
import time
from collections.abc import Generator

import numpy as np

from data.puzzles import PuzzleSet
from models.analysis.likelihood import STANDARD_ERRORS
from models.benchmark.environment import environment
from models.benchmark.report import Column, Plot, Report, Table, Value
from models.evaluation.puzzles import exact_by_steps, first_of, score
from models.generation.solver import Solver
from models.runs.events import Event
from models.runs.puzzles import load_puzzles

_PUZZLES = 512
_GROUPS = 4
_STEPS = (
    Column("steps", "d"),
    Column("solved", ".1%", "higher"),
    Column("±", ".1%"),
    Column("ms per puzzle", ".2f"),
    Column("trained"),
)


def benchmark_puzzle_depth(solver: Solver) -> Generator[Event, None, Report]:
    """The share of held-out puzzles that are solved after each number of steps, and by what grades them."""
    model, config = solver.model, solver.config
    assert config.data is not None
    _, held_out = yield from load_puzzles(solver.run, config)
    puzzles = first_of(held_out, _PUZZLES)
    trained = model.config.supervision_steps
    steps = sorted({1, 2, max(1, trained // 2), trained, 2 * trained, 4 * trained})
    plot = Plot("steps", "solved")
    rows: list[tuple[Value, ...]] = []
    for number in steps:
        began = time.perf_counter()
        exact = yield from exact_by_steps(model, puzzles, [number], "float32")
        share, spent = exact[number], time.perf_counter() - began
        interval = share_interval(share, len(puzzles))
        rows.append((number, share, interval, 1e3 * spent / len(puzzles), number <= trained))
    tables = [
        Table("steps", "Puzzles solved after a number of steps", _STEPS, tuple(rows), plot, rivals=True)
    ]
    if grade := puzzles.kind.grade_name:
        graded = yield from _by_grade(solver, puzzles, 2 * trained)
        columns = (
            Column(grade),
            Column("puzzles", "d"),
            Column("solved", ".1%"),
            Column("steps taken", ".2f"),
        )
        title = f"Puzzles solved by {puzzles.kind.graded_by}"
        tables.append(Table(grade, title, columns, tuple(graded)))
    device = next(model.parameters()).device
    return Report(
        kind="depth",
        subject=solver.run.name,
        environment=environment(device, number_format="float32", corpus=config.data.content_hash),
        tables=tuple(tables),
        verdicts=(_verdict(rows),),
        notes=(f"The same {len(puzzles):,} puzzles, on none of which the model was trained.",),
    )


def _by_grade(
    solver: Solver, puzzles: PuzzleSet, max_steps: int
) -> Generator[Event, None, list[tuple[Value, ...]]]:
    """Puzzles in groups of about the same size, from low grades to high ones, such as few clues to many."""
    grades = puzzles.kind.grades(puzzles.puzzles, puzzles.solutions)
    edges = np.unique(np.quantile(grades, np.linspace(0, 1, _GROUPS + 1)).astype(int))
    rows: list[tuple[Value, ...]] = []
    for low, high in itertools.pairwise(edges) if len(edges) > 1 else [(edges[0], edges[0])]:
        last = high == edges[-1]
        chosen = (grades >= low) & ((grades <= high) if last else (grades < high))
        if not chosen.any():
            continue
        found = yield from score(solver.model, puzzles.rows(chosen), max_steps, "float32")
        most = high if last else high - 1
        name = f"{low}" if low == most else f"{low}–{most}"
        rows.append((name, int(chosen.sum()), found.exact_accuracy, found.mean_exit_step))
    return rows


def share_interval(share: float, count: int) -> float:
    """Half the width of Wilson's 95 % interval for a `share` of `count` that was found ("Probable Inference",
    1927). It is not 0 where none or all were found."""
    z = STANDARD_ERRORS
    return z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)


def _verdict(rows: list[tuple[Value, ...]]) -> str:
    def share(row: tuple[Value, ...]) -> float:
        assert isinstance(row[1], float)
        return row[1]

    best = max(rows, key=lambda row: (share(row), -float(str(row[0]))))
    first = rows[0]
    return (
        f"One step solves {share(first):.1%}. The most are solved after {best[0]} steps: {share(best):.1%}."
        if best is not first
        else f"More steps than one do not help: {share(first):.1%} are solved."
    )
