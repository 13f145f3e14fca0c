"""`rlm solve` of problems: the answer of a model at each of its modes."""

import contextlib
import secrets
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.errors import RlmError, UsageError
from data.text_table import TextTable
from data.wording import counted
from rlm_cli.output import Form, Output
from rlm_cli.torch_import import import_torch

if TYPE_CHECKING:
    from data.problems.problem import Problem, ProblemTask
    from models.generation.problem_solver import Answer, ProblemSolver
    from models.runs.run import Run

_MOST_PROBLEMS, _MOST_CHARACTERS = 10_000, 10_000_000
"""On standard input."""
_LONGEST_SHOWN = 40
"""Characters of an answer in the table."""
_MOSTLY = 0.9
"""The share of right answers with which a mode mostly answers problems."""


def require_no_puzzle_options(options: Mapping[str, object]) -> None:
    """Raise UsageError for an option, by its name, that only puzzles have. None is one that was not given."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"{name} is for puzzles: this run answers problems.",
                hint="Leave it out. Every mode of the model is shown.",
            )


def read_problems(argument: str) -> list[str]:
    """The problem in `argument`; "-" is standard input, a problem on each line. Raises UsageError."""
    if argument != "-":
        return [argument]
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("There is no problem on standard input.", hint="cat FILE | {solve RUN -}")
    text = sys.stdin.read(_MOST_CHARACTERS + 1)
    found = [line for line in map(str.strip, text.splitlines()) if line]
    if not found:
        raise UsageError("There is no problem on standard input.", hint="Write one on each line.")
    if len(found) > _MOST_PROBLEMS or len(text) > _MOST_CHARACTERS:
        raise UsageError(
            f"There are more than {_MOST_PROBLEMS:,} problems or {_MOST_CHARACTERS:,} characters.",
            hint="Give them in parts.",
        )
    return found


def answer_and_show(
    run: "Run", texts: list[str] | None, output: Output, device: str | None, threads: int | None
) -> None:
    """Answer each of `texts`, or a new problem, at every mode of the model, and print the answers.

    A new problem is held out where there are enough. It has the greatest difficulty in training, or a
    greater one that a mode mostly answers. Raises UsageError for a text that is no problem of the run.
    """
    solver = _solver(run, device, threads, output)
    problems = _new_problem(run, solver) if texts is None else _problems(solver, texts)
    began = time.perf_counter()
    results = []
    for problem in problems:
        answers = _answers(solver, problem)
        _show(problem, answers, solver, output)
        results.append(_as_json(problem, answers))
    output.json({"run": run.name, "task": solver.task.name, "results": results})
    output.say(
        f"{run.name} · {counted(len(problems), 'problem')} · {time.perf_counter() - began:.2f} s", style="dim"
    )


def _problems(solver: "ProblemSolver", texts: list[str]) -> "list[Problem]":
    """The problems in `texts`. Raises UsageError, with the number of the problem where there are several."""
    from models.generation.problem_solver import require_room

    found = []
    for number, text in enumerate(texts, start=1):
        try:
            found.append(solver.task.read(text))
            require_room(solver, found[-1])
        except UsageError as error:
            if len(texts) == 1:
                raise
            raise UsageError(
                f"Problem {number:,} of {len(texts):,}: {error.message}", hint=error.hint
            ) from error
    return found


def show_example(run: "Run", output: Output) -> None:
    """Print a new problem and its answers, for a person. Prints nothing where the model cannot be loaded."""
    if output.form is not Form.HUMAN:
        return
    with contextlib.suppress(RlmError):
        solver = _solver(run, None, None, output)
        (problem,) = _new_problem(run, solver)
        is_new = problem.difficulty > solver.task.most or problem.difficulty >= solver.task.held_out_from
        which = "A problem that it never saw" if is_new else "One of its problems"
        output.result(f"\n{which}, answered at every mode:")
        _show(problem, _answers(solver, problem), solver, output)


def _solver(run: "Run", device: str | None, threads: int | None, output: Output) -> "ProblemSolver":
    import_torch(output)
    from models.device import prepare_process
    from models.generation.problem_solver import load_problem_solver

    prepare_process(threads or 1)
    return load_problem_solver(run, device or "cpu")


def _answers(solver: "ProblemSolver", problem: "Problem") -> "dict[str, Answer]":
    """By mode."""
    from models.generation.problem_solver import answer_problem

    return {mode: answer_problem(solver, problem, depth) for mode, depth in solver.modes.items()}


def _new_problem(run: "Run", solver: "ProblemSolver") -> "list[Problem]":
    from data.problems.problem import held_out_problems

    return held_out_problems(solver.task, _difficulty(run, solver.task), 1, seed=secrets.randbits(32))


def _difficulty(run: "Run", task: "ProblemTask") -> int:
    """The greatest one that a mode mostly answered when the training measured it, and at least the greatest
    one in training."""
    try:
        evaluation = run.evaluation()
    except RlmError:  # it only chooses
        evaluation = None
    by_mode = getattr(evaluation, "accuracy_by_mode", None) or {}
    mostly = {number for right in by_mode.values() for number, share in right.items() if share >= _MOSTLY}
    return max([task.most, *(one for one in task.measured if str(one) in mostly)])


def _show(
    problem: "Problem", answers: "Mapping[str, Answer]", solver: "ProblemSolver", output: Output
) -> None:
    difficulty = counted(problem.difficulty, solver.task.unit)
    harder = ", harder than trained" if problem.difficulty > solver.task.most else ""
    output.result(f"{problem.given}{problem.answer}  ({difficulty}{harder})")
    rows = tuple(
        (
            mode,
            f"{one.passes:.3g}" + ("" if one.trained else "*"),
            one.text if len(one.text) <= _LONGEST_SHOWN else f"{one.text[: _LONGEST_SHOWN - 1]}…",
            "right" if one.right else "wrong",
        )
        for mode, one in answers.items()
    )
    output.text_table(TextTable(("mode", "passes", "answer", "check"), rows, right=("passes",)))
    if not all(one.trained for one in answers.values()):
        output.say("* deeper than in training", style="dim")


def _as_json(problem: "Problem", answers: "Mapping[str, Answer]") -> dict[str, Any]:
    return {
        "problem": problem.given,
        "answer": problem.answer,
        "difficulty": problem.difficulty,
        "modes": {
            mode: {"answer": one.text, "right": one.right, "passes": one.passes, "trained": one.trained}
            for mode, one in answers.items()
        },
    }
