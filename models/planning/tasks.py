"""What `request.task` may name: each task with the module that plans it. To add one: a line in TASKS."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.nearest import did_you_mean, nearest
from models.planning.request import TrainRequest
from models.runs.events import Event

if TYPE_CHECKING:
    from models.planning.plan import Plan

Planner = Callable[[TrainRequest, Path], Generator[Event, None, "Plan"]]


@dataclass(frozen=True, slots=True)
class TaskFamily:
    """Tasks whose names have the same part before the colon."""

    planner: str
    """The module and the function that plan one, `module:function`."""
    examples: tuple[str, ...]
    """Names as they are typed, for hints."""


_PROBLEMS = "models.planning.problem_plan:plan_problems"
TASKS: Mapping[str, TaskFamily] = {
    "sudoku": TaskFamily(
        "models.planning.puzzle_plan:plan_puzzles",
        ("sudoku:4x4", "sudoku:6x6", "sudoku:9x9", "sudoku:9x9-hard", "sudoku FILE"),
    ),
    "maze": TaskFamily(
        "models.planning.puzzle_plan:plan_puzzles", ("maze:9x9", "maze:15x15", "maze:30x30", "maze FILE")
    ),
    "grid": TaskFamily("models.planning.puzzle_plan:plan_puzzles", ("grid FILE",)),
    "compose": TaskFamily(_PROBLEMS, ("compose:s3", "compose:s4", "compose:s5")),
    "chains": TaskFamily(_PROBLEMS, ("chains:4",)),
    "sums": TaskFamily(_PROBLEMS, ("sums:4",)),
    "listops": TaskFamily(_PROBLEMS, ("listops:4",)),
}
"""By the part of the name before the colon."""


def makes_problems(task: str | None) -> bool:
    """Whether `task` is one of problems; false for a task there is not."""
    family = TASKS.get((task or "").partition(":")[0])
    return family is not None and family.planner == _PROBLEMS


def planner_of(task: str) -> Planner:
    """The function that plans `task`. Raises UsageError where there is no such task."""
    family = TASKS.get(task.partition(":")[0])
    if family is None:
        known = [name for one in TASKS.values() for name in one.examples]
        near = nearest(task, [name.removesuffix(" FILE") for name in known])
        hint = did_you_mean(task, near or known)
        raise UsageError(f"There is no task '{task}'.", hint=hint, field="task")
    module, _, function = family.planner.partition(":")
    planner: Planner = getattr(import_module(module), function)
    return planner
