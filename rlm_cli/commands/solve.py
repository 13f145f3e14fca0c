"""`rlm solve`: solve Sudoku puzzles."""

import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from data.wording import counted
from rlm_cli.completion import complete_runs
from rlm_cli.generation_options import check_threads
from rlm_cli.interrupts import no_lost_interrupt
from rlm_cli.options import (
    DeviceOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    ThreadsOption,
    env_option,
)
from rlm_cli.output import Output
from rlm_cli.output_file import require_free
from rlm_cli.program import program, runs_dir_flag

if TYPE_CHECKING:
    import numpy as np

    from data.puzzle_input import InputPuzzle
    from data.sudoku_text import Mark
    from models.generation.solver import Solution, Solver
    from models.runs.run import Run

_STYLES: "dict[Mark, str]" = {"frame": "dim", "filled": "green", "changed": "bold yellow"}
"""Styles of the parts of a drawn grid."""


def solve(
    run_name: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Name of a run or path to one.", autocompletion=complete_runs),
    ],
    puzzle: Annotated[
        str | None,
        typer.Argument(
            metavar="PUZZLE",
            help="The cells row by row, . or 0 for a blank; or a file of them, a CSV, or - for stdin.",
            show_default=False,
        ),
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Make a new puzzle instead of PUZZLE.")] = False,
    max_steps: Annotated[
        int | None,
        env_option(
            "--max-steps",
            metavar="K",
            min=1,
            max=4096,
            help="Most steps to think. Without it: twice the steps of training.",
        ),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show the answer after each step.")] = False,
    out: Annotated[
        Path | None,
        env_option(
            "--out",
            metavar="FILE",
            help="Write the valid answers to a CSV, puzzle,solution.",
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

    The model thinks in steps and stops when it is sure. The answer is checked
    by the rules.

    Examples:
      rlm solve sudoku-6x6 --random
      rlm solve sudoku-4x4 "1...|..3.|.4..|...2"
      rlm solve sudoku-9x9 hard.txt --max-steps 64 --trace
      cat puzzles.csv | rlm solve sudoku-6x6 - --json
      rlm solve sudoku-6x6 puzzles.csv --out answers.csv
    """
    output = Output.of(json=json, quiet=quiet)
    check_threads(threads)
    if random == (puzzle is not None):
        raise UsageError(
            "PUZZLE and --random exclude each other." if random else "Missing argument 'PUZZLE'.",
            hint=f"Have one made: {program()} solve{runs_dir_flag()} {shlex.quote(run_name)} --random",
        )
    if out is not None:
        require_free(out, force=force)

    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    run = Run.open(run_name, find_runs_dir(runs_dir))
    if run.config().answers_problems:
        from rlm_cli.problem_answers import answer_and_show, read_problems, require_no_puzzle_options

        require_no_puzzle_options({"--max-steps": max_steps, "--trace": trace or None, "--out": out})
        answer_and_show(run, None if puzzle is None else read_problems(puzzle), output, device, threads)
        return
    puzzles = None if puzzle is None else read_puzzles(puzzle)
    solve_and_show(run, puzzles, output, machine=(device, threads), max_steps=max_steps, trace=trace, out=out)


def solve_and_show(
    run: "Run",
    puzzles: "list[InputPuzzle] | None",
    output: Output,
    *,
    machine: tuple[str | None, int | None],
    max_steps: int | None = None,
    trace: bool = False,
    out: Path | None = None,
) -> "list[Solution]":
    """Solve `puzzles`, or a new one, and print the answers. `machine` is the device and the threads."""
    with no_lost_interrupt():
        from models.device import prepare_process
        from models.generation.solver import load_solver, solve_puzzles

    device, threads = machine
    if threads:
        prepare_process(threads)
    solver = load_solver(run, device or "cpu")
    if puzzles is None:
        from data.puzzle_input import InputPuzzle

        puzzles = [InputPuzzle(solver.new_puzzle()[0])]
    _require_solvable(puzzles, solver)
    start = time.perf_counter()
    limit = max_steps or solver.default_steps
    solutions = solve_puzzles(solver, [posed.grid for posed in puzzles], limit)
    seconds = time.perf_counter() - start
    valid = [one for one in solutions if one.valid]
    for one in solutions:
        _show(one, output, trace=trace)
    output.json(
        {
            "run": run.name,
            "max_steps": limit,
            "trained_steps": solver.model.config.supervision_steps,
            "seconds": round(seconds, 3),
            "valid": len(valid),
            "results": [_as_json(one, trace=trace) for one in solutions],
        }
    )
    steps = sum(one.steps for one in solutions) / len(solutions)
    output.say(
        f"{run.name} · {len(valid)} of {len(solutions)} valid · {counted(float(f'{steps:.3g}'), 'step')}"
        f"{' each' if len(solutions) > 1 else ''} · {seconds:.2f} s",
        style="dim",
    )
    if out is not None:
        from data.puzzle_file import write_puzzles

        write_puzzles(out, (one.puzzle for one in valid), (one.answer for one in valid))
    return solutions


def read_puzzles(argument: str) -> "list[InputPuzzle]":
    """Puzzles in `argument`, or in the file or stream that it names. Raises UsageError."""
    from data.puzzle_input import InputPuzzle, puzzles_from_file, puzzles_from_stream
    from data.sudoku_text import parse_grid

    if argument == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("There is no puzzle on standard input.", hint="cat FILE | {solve RUN -}")
        return puzzles_from_stream(sys.stdin.buffer, "standard input")
    if (path := _file(argument)) is not None:
        return puzzles_from_file(path)
    if re.search(r"[A-Za-z/\\]", argument):
        raise UsageError(
            f"'{argument}' is neither a file nor a puzzle.", hint=f"See: {program()} solve --help"
        )
    return [InputPuzzle(parse_grid(argument))]


def _file(argument: str) -> Path | None:
    """The file of that name, or None."""
    try:
        path = Path(os.path.expanduser(argument))
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # not a valid name
        return None


def _require_solvable(puzzles: "list[InputPuzzle]", solver: "Solver") -> None:
    """Raise UsageError, naming the puzzle, unless each has the model's size and exactly one solution."""
    for puzzle in puzzles:
        try:
            solver.require_solvable(puzzle.grid)
        except UsageError as error:
            raise puzzle.problem(error) from error


def _show(one: "Solution", output: Output, *, trace: bool) -> None:
    from data.sudoku_checker import find_repeated_digit

    if trace:
        for step, (grid, changed) in enumerate(
            zip(one.step_answers, one.changed_cells, strict=True), start=1
        ):
            output.result(f"step {step}: {_cells(int(changed.sum()))} {'filled' if step == 1 else 'changed'}")
            _draw(grid, one.puzzle, changed if step > 1 else None, output)
    else:
        _draw(one.answer, one.puzzle, None, output)
    verdict = (
        "valid" if one.valid else f"not valid: {find_repeated_digit(one.answer) or 'it breaks the rules'}"
    )
    output.result(f"{counted(one.steps, 'step')}, {verdict}")


def _draw(grid: "np.ndarray", puzzle: "np.ndarray", changed: "np.ndarray | None", output: Output) -> None:
    """Print a grid. On a terminal, clues and answers differ in colour."""
    from data.sudoku_text import draw_grid

    for text, mark in draw_grid(grid, puzzle, changed):
        output.result(text, style=_STYLES.get(mark, ""), end="")
    output.result()


def _cells(count: int) -> str:
    return counted(count, "cell")


def _as_json(one: "Solution", *, trace: bool) -> dict[str, Any]:
    from data.sudoku_text import grid_line

    result: dict[str, Any] = {
        "puzzle": grid_line(one.puzzle),
        "answer": grid_line(one.answer),
        "valid": one.valid,
        "steps": one.steps,
        "confidence": round(one.confidence, 6),
        "cells_changed": [int(changed.sum()) for changed in one.changed_cells],
    }
    return result | ({"trace": [grid_line(grid) for grid in one.step_answers]} if trace else {})
