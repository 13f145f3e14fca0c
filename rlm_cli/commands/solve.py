"""`rlm solve`: a puzzle, the answer to it, and how it was found."""

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from rlm_cli.generation_options import check_threads
from rlm_cli.options import (
    DeviceOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    ThreadsOption,
    complete_runs,
    dial,
)
from rlm_cli.output import Output

if TYPE_CHECKING:
    import numpy as np

    from models.solver import Solved

_LARGEST_FILE = 64 << 20


def solve(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Name of a run or path to one.", autocompletion=complete_runs),
    ],
    puzzle: Annotated[
        str,
        typer.Argument(
            metavar="PUZZLE",
            help="The cells row by row, a dot or 0 for a blank; a file of these, or a CSV; - is stdin.",
        ),
    ],
    max_steps: Annotated[
        int | None,
        dial(
            "--max-steps",
            metavar="K",
            min=1,
            max=4096,
            help="How long it may think; more than in training is allowed. Without it: twice that.",
        ),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show the answer after each step.")] = False,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Let a model solve a Sudoku.

    It thinks in steps and stops when it is sure. The answer is drawn, and
    checked by the rules.

    Examples:
      rlm solve sudoku-4x4 1...|..3.|.4..|...2
      rlm solve sudoku-9x9 hard.txt --max-steps 64 --trace
      cat puzzles.csv | rlm solve sudoku-6x6 - --json
    """
    output = Output.of(json=json, quiet=quiet)
    check_threads(threads)

    from models.run import Run
    from models.run import runs_dir as find_runs_dir

    opened = Run.open(run, find_runs_dir(runs_dir))
    puzzles = _puzzles(puzzle)

    from models.device import prepare_process
    from models.solver import load_solver, solve_puzzles

    if threads:
        prepare_process(threads)
    solver = load_solver(opened, device or "cpu")
    for grid in puzzles:
        solver.require_fit(grid)
    _require_solvable(puzzles)
    began = time.perf_counter()
    most = max_steps or solver.usual_steps
    solved = solve_puzzles(solver, puzzles, most)
    seconds = time.perf_counter() - began
    for one in solved:
        _show(one, output, trace=trace)
    output.json(
        {
            "run": opened.name,
            "max_steps": most,
            "trained_steps": solver.model.config.supervision_steps,
            "seconds": round(seconds, 3),
            "valid": sum(one.valid for one in solved),
            "results": [_as_json(one, trace=trace) for one in solved],
        }
    )
    steps = sum(one.steps for one in solved) / len(solved)
    output.say(
        f"{opened.name} · {sum(one.valid for one in solved)} of {len(solved)} valid · {steps:.3g} steps"
        f"{' each' if len(solved) > 1 else ''} · {seconds:.2f} s",
        style="dim",
    )


def _puzzles(typed: str) -> "list[np.ndarray]":
    """What was typed, or what stands in the file or the stream it names. Raises UsageError."""
    from data.sudoku_text import parse_grid

    if typed == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("There is no puzzle on standard input.", hint="cat FILE | rlm solve RUN -")
        return _in_text(sys.stdin.buffer.read(_LARGEST_FILE).decode("utf-8", "replace"))
    try:
        path = Path(typed).expanduser()
        if path.is_file():
            with path.open("rb") as file:
                return _in_text(file.read(_LARGEST_FILE).decode("utf-8", "replace"))
    except (OSError, RuntimeError, ValueError):  # too long for a name, or no name at all
        pass
    if re.search(r"[A-Za-z/\\]", typed):
        raise UsageError(f"There is no file '{typed}', and it is no puzzle.", hint="See: rlm solve --help")
    return [parse_grid(typed)]


def _in_text(text: str) -> "list[np.ndarray]":
    """The grids of a text, or the first column of a CSV. Raises UsageError."""
    from data.puzzle_file import PUZZLE_COLUMNS
    from data.sudoku_text import parse_grid, parse_grids

    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    if not any(mark in line for line in lines for mark in ",;\t"):
        header = bool(lines) and lines[0].strip().lower() in PUZZLE_COLUMNS
        return parse_grids("\n".join(lines[1:]) if header else text)
    delimiter = next(mark for mark in ",;\t" if any(mark in line for line in lines))
    names = [cell.strip().lower() for cell in lines[0].split(delimiter)]
    column = next((names.index(name) for name in PUZZLE_COLUMNS if name in names), None)
    rows = lines if column is None else lines[1:]
    if not rows:
        raise UsageError("There is no puzzle.", hint="Each row is puzzle,solution or a puzzle alone.")
    grids = []
    for row in rows:
        cells = row.split(delimiter)
        grids.append(parse_grid(cells[column or 0] if (column or 0) < len(cells) else ""))
    return grids


def _require_solvable(puzzles: "list[np.ndarray]") -> None:
    """Raise UsageError unless each has exactly one solution; of several, say which."""
    from data.sudoku_checker import require_unique

    for number, puzzle in enumerate(puzzles, start=1):
        try:
            require_unique(puzzle)
        except UsageError as error:
            if len(puzzles) == 1:
                raise
            sentence = error.message[0].lower() + error.message[1:]
            raise UsageError(f"Of puzzle {number}: {sentence}", hint=error.hint) from error


def _show(one: "Solved", output: Output, *, trace: bool) -> None:
    from data.sudoku_checker import contradiction
    from data.sudoku_text import draw

    if trace:
        for step, (grid, changed) in enumerate(zip(one.trail, one.changed, strict=True), start=1):
            output.result(f"step {step}: {_cells(int(changed.sum()))} {'filled' if step == 1 else 'changed'}")
            output.result(draw(grid, one.puzzle, changed if step > 1 else None))
    else:
        output.result(draw(one.answer, one.puzzle))
    verdict = "valid" if one.valid else f"not valid: {contradiction(one.answer) or 'it breaks the rules'}"
    output.result(f"{one.steps} step{'s' if one.steps != 1 else ''}, {verdict}")


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def _as_json(one: "Solved", *, trace: bool) -> dict[str, Any]:
    from data.sudoku_text import grid_line

    described: dict[str, Any] = {
        "puzzle": grid_line(one.puzzle),
        "answer": grid_line(one.answer),
        "valid": one.valid,
        "steps": one.steps,
        "confidence": round(one.confidence, 6),
        "cells_changed": [int(changed.sum()) for changed in one.changed],
    }
    return described | ({"trace": [grid_line(grid) for grid in one.trail]} if trace else {})
