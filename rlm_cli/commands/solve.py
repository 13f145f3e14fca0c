"""`rlm solve`: solve puzzles, and answer problems."""

import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from data.wording import counted
from rlm_cli.completion import complete_runs
from rlm_cli.generation_options import check_threads
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
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    import numpy as np

    from data.puzzle_input import InputPuzzle
    from data.puzzle_kind import Mark, PuzzleKind
    from models.generation.solver import Solution, Solver
    from models.runs.run import Run

_STYLES: "dict[Mark, str]" = {
    "frame": "dim", "filled": "green", "changed": "bold yellow", "wrong": "bold red",
}  # fmt: skip
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
            help="A Sudoku or a maze row by row, a string, or a problem; or a file of puzzles, a CSV, "
            "or - for stdin.",
            show_default=False,
        ),
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="A new one instead of PUZZLE.")] = False,
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
    """Let a model solve a Sudoku, a maze, a problem, or what else it learned.

    The model thinks in steps and stops when it is sure. The answer is checked
    by the rules. Strings have none: their answers are compared with the
    target in a CSV, if there is one. A problem, such as those of chains, is
    answered at every mode.

    Examples:
      rlm solve chains --random
      rlm solve sudoku-6x6 --random
      rlm solve sudoku-4x4 "1...|..3.|.4..|...2"
      rlm solve maze-9x9 maze.txt
      rlm solve reversed 4821
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

        require_no_puzzle_options(
            {"--max-steps": max_steps, "--trace": trace or None, "--out": out, "--force": force or None}
        )
        answer_and_show(run, None if puzzle is None else read_problems(puzzle), output, device, threads)
        return
    puzzles = None if puzzle is None else read_puzzles(puzzle, run)
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
    import_torch(output)
    from models.device import prepare_process
    from models.generation.solver import load_solver, solve_puzzles

    device, threads = machine
    if threads:
        prepare_process(threads)
    solver = load_solver(run, device or "cpu")
    if puzzles is None:
        from data.puzzle_input import InputPuzzle

        grid, solution = solver.new_puzzle()
        puzzles = [InputPuzzle(grid, target=solution)]
    known = [_known_solution(one, solver) for one in puzzles]
    start = time.perf_counter()
    limit = max_steps or solver.default_steps
    solutions = solve_puzzles(solver, [posed.grid for posed in puzzles], limit, known=known)
    seconds = time.perf_counter() - start
    for one in solutions:
        _show(one, solver.kind, output, trace=trace)
    output.json(
        {
            "run": run.name,
            "max_steps": limit,
            "trained_steps": solver.model.config.supervision_steps,
            "seconds": round(seconds, 3),
            "valid": sum(one.valid is True for one in solutions),
            "results": [_as_json(one, solver.kind, trace=trace) for one in solutions],
        }
    )
    output.say(f"{run.name} · {_in_words(solutions, solver.kind)} · {seconds:.2f} s", style="dim")
    if out is not None:
        from data.puzzle_file import write_puzzles

        kept = [one for one in solutions if one.valid is not False]
        write_puzzles(out, (one.puzzle for one in kept), (one.answer for one in kept), solver.kind)
    return solutions


def _in_words(solutions: "Sequence[Solution]", kind: "PuzzleKind") -> str:
    """How many of `solutions` are right, where that can be checked, and the steps they took."""
    checked = [one.valid for one in solutions if one.valid is not None]
    verdict = f"{sum(checked)} of {len(checked)} {_right(kind)} · " if checked else ""
    steps = sum(one.steps for one in solutions) / len(solutions)
    each = " each" if len(solutions) > 1 else ""
    return f"{verdict}{counted(float(f'{steps:.3g}'), 'step')}{each}"


def read_puzzles(argument: str, run: "Run") -> "list[InputPuzzle]":
    """Puzzles for a run in `argument`, or in the file or stream that it names. Raises UsageError, and
    RunError for a run that solves none."""
    from data.puzzle_input import InputPuzzle, puzzles_from_file, puzzles_from_stream
    from models.runs.puzzles import puzzle_kind

    config = run.config()
    config.require_puzzles(run.path)
    kind = puzzle_kind(config)
    if argument == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("There is no puzzle on standard input.", hint="cat FILE | {solve RUN -}")
        return puzzles_from_stream(sys.stdin.buffer, "standard input", kind)
    if (path := _file(argument)) is not None:
        return puzzles_from_file(path, kind)
    if _is_like_path(argument, kind):
        raise UsageError(
            f"'{argument}' is neither a file nor a puzzle.", hint=f"See: {program()} solve --help"
        )
    return [InputPuzzle(kind.parse(argument))]


def _is_like_path(argument: str, kind: "PuzzleKind") -> bool:
    """Whether an argument is more likely the name of a file than a puzzle."""
    if kind.has_rules:
        return bool(set(re.findall(r"[A-Za-z/\\]", argument)) - set(kind.letters))
    return re.search(r"[/\\]|\.[A-Za-z]+$", argument) is not None and not kind.is_row(argument)


def _file(argument: str) -> Path | None:
    """The file of that name, or None."""
    try:
        path = Path(os.path.expanduser(argument))
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # not a valid name
        return None


def _known_solution(puzzle: "InputPuzzle", solver: "Solver") -> "np.ndarray | None":
    """A solution of a puzzle, or None. Raises UsageError, naming the puzzle, where it has not the model's
    size, or is not possible."""
    try:
        found = solver.require_solvable(puzzle.grid)
        if puzzle.target is not None:
            solver.require_size(puzzle.target)
        return puzzle.target if found is None else found
    except UsageError as error:
        raise puzzle.problem(error) from error


def _right(kind: "PuzzleKind") -> str:
    """What a right answer is called."""
    return "valid" if kind.has_rules else "right"


def _show(one: "Solution", kind: "PuzzleKind", output: Output, *, trace: bool) -> None:
    if trace:
        for step, (grid, changed) in enumerate(
            zip(one.step_answers, one.changed_cells, strict=True), start=1
        ):
            count = counted(int(changed.sum()), kind.cell_word)
            output.result(f"step {step}: {count} {kind.filled if step == 1 else 'changed'}")
            _draw(one, grid, changed if step > 1 else None, kind, output)
    else:
        _draw(one, one.answer, None, kind, output)
    output.result(counted(one.steps, "step") + _verdict(one, kind))


def _verdict(one: "Solution", kind: "PuzzleKind") -> str:
    if one.valid is None:
        return ""
    if one.valid or kind.has_rules:
        fault = "" if one.valid else f": {kind.fault_of(one.answer, one.puzzle)}"
        return f", {'' if one.valid else 'not '}{_right(kind)}{fault}"
    assert one.known is not None
    return f", not right: the target is {kind.line(one.known)}"


def _draw(
    one: "Solution",
    grid: "np.ndarray",
    changed: "np.ndarray | None",
    kind: "PuzzleKind",
    output: Output,
) -> None:
    """Print an answer. On a terminal, clues and answers differ in colour."""
    for text, mark in kind.draw(grid, one.puzzle, changed, one.wrong_cells(grid)):
        output.result(text, style=_STYLES.get(mark, ""), end="")
    output.result()


def _as_json(one: "Solution", kind: "PuzzleKind", *, trace: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "puzzle": kind.line(one.puzzle),
        "answer": kind.line(one.answer),
        "valid": one.valid,
        "steps": one.steps,
        "confidence": round(one.confidence, 6),
        "cells_changed": [int(changed.sum()) for changed in one.changed_cells],
    }
    if one.known is not None and not kind.has_rules:
        result["target"] = kind.line(one.known)
    return result | ({"trace": [kind.line(grid) for grid in one.step_answers]} if trace else {})
