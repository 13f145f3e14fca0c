"""`rlm solve`: a puzzle, the answer to it, and how it was found."""

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from models.wording import counted
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

    from data.puzzle_input import InputPuzzle
    from data.sudoku_text import Mark
    from models.generation.solver import Solved, Solver

_STYLES: "dict[Mark, str]" = {"frame": "dim", "filled": "green", "changed": "bold yellow"}
"""Of the pieces of a drawing; what is not named is printed as any text."""


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
    out: Annotated[
        Path | None,
        dial(
            "--out",
            metavar="FILE",
            help="Write the answers that are valid to a CSV, puzzle,solution.",
            dir_okay=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the FILE of --out.")] = False,
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
      rlm solve sudoku-4x4 "1...|..3.|.4..|...2"
      rlm solve sudoku-9x9 hard.txt --max-steps 64 --trace
      cat puzzles.csv | rlm solve sudoku-6x6 - --json
      rlm solve sudoku-6x6 puzzles.csv --out answers.csv
    """
    output = Output.of(json=json, quiet=quiet)
    check_threads(threads)
    if out is not None:
        _require_writable(out, force=force)

    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    opened = Run.open(run, find_runs_dir(runs_dir))
    puzzles = _puzzles(puzzle)

    from models.device import prepare_process
    from models.generation.solver import load_solver, solve_puzzles

    if threads:
        prepare_process(threads)
    solver = load_solver(opened, device or "cpu")
    _require_solvable(puzzles, solver)
    began = time.perf_counter()
    most = max_steps or solver.usual_steps
    solved = solve_puzzles(solver, [posed.grid for posed in puzzles], most)
    seconds = time.perf_counter() - began
    valid = [one for one in solved if one.valid]
    for one in solved:
        _show(one, output, trace=trace)
    if out is not None:
        from data.puzzle_file import write_puzzles

        write_puzzles(out, (one.puzzle for one in valid), (one.answer for one in valid))
    output.json(
        {
            "run": opened.name,
            "max_steps": most,
            "trained_steps": solver.model.config.supervision_steps,
            "seconds": round(seconds, 3),
            "valid": len(valid),
            "results": [_as_json(one, trace=trace) for one in solved],
        }
    )
    steps = sum(one.steps for one in solved) / len(solved)
    output.say(
        f"{opened.name} · {len(valid)} of {len(solved)} valid · {counted(float(f'{steps:.3g}'), 'step')}"
        f"{' each' if len(solved) > 1 else ''} · {seconds:.2f} s",
        style="dim",
    )


def _puzzles(typed: str) -> "list[InputPuzzle]":
    """What was typed, or what stands in the file or the stream it names. Raises UsageError."""
    from data.puzzle_input import InputPuzzle, puzzles_from_file, puzzles_from_stream
    from data.sudoku_text import parse_grid

    if typed == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("There is no puzzle on standard input.", hint="cat FILE | rlm solve RUN -")
        return puzzles_from_stream(sys.stdin.buffer, "standard input")
    if (path := _file(typed)) is not None:
        return puzzles_from_file(path)
    if re.search(r"[A-Za-z/\\]", typed):
        raise UsageError(f"There is no file '{typed}', and it is no puzzle.", hint="See: rlm solve --help")
    return [InputPuzzle(parse_grid(typed))]


def _require_writable(out: Path, *, force: bool) -> None:
    """Raise UsageError where `out` is there already, unless it is a plain file and `force`."""
    path = out.expanduser()
    if os.path.lexists(path) and not (force and path.is_file()):
        hint = "Give another name, or overwrite it: --force" if path.is_file() else "Give another name."
        raise UsageError(f"'{out}' is there already.", hint=hint)


def _file(typed: str) -> Path | None:
    """The file of that name, if there is one."""
    try:
        path = Path(typed).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long for a name, or no name at all
        return None


def _require_solvable(puzzles: "list[InputPuzzle]", solver: "Solver") -> None:
    """Raise UsageError unless each fits the model and has exactly one solution; of several, say which."""
    from data.sudoku_checker import require_unique

    for puzzle in puzzles:
        try:
            solver.require_fit(puzzle.grid)
            require_unique(puzzle.grid)
        except UsageError as error:
            raise puzzle.problem(error) from error


def _show(one: "Solved", output: Output, *, trace: bool) -> None:
    from data.sudoku_checker import find_repeated_digit

    if trace:
        for step, (grid, changed) in enumerate(zip(one.trail, one.changed, strict=True), start=1):
            output.result(f"step {step}: {_cells(int(changed.sum()))} {'filled' if step == 1 else 'changed'}")
            _draw(grid, one.puzzle, changed if step > 1 else None, output)
    else:
        _draw(one.answer, one.puzzle, None, output)
    verdict = (
        "valid" if one.valid else f"not valid: {find_repeated_digit(one.answer) or 'it breaks the rules'}"
    )
    output.result(f"{counted(one.steps, 'step')}, {verdict}")


def _draw(grid: "np.ndarray", puzzle: "np.ndarray", changed: "np.ndarray | None", output: Output) -> None:
    """A grid, on a terminal in colours that tell clues from what was filled in."""
    from data.sudoku_text import draw_grid

    for text, mark in draw_grid(grid, puzzle, changed):
        output.result(text, style=_STYLES.get(mark, ""), end="")
    output.result()


def _cells(count: int) -> str:
    return counted(count, "cell")


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
