"""The tasks by name: compose:s3, chains:4, sums, each with the greatest difficulty in training."""

from data.errors import UsageError
from data.nearest import did_you_mean
from data.problems.chains import Chains
from data.problems.compose import SIZES, Compose
from data.problems.listops import ListOps
from data.problems.problem import ProblemTask
from data.problems.sums import Sums

TASK_NAMES = (*(f"compose:s{n}" for n in SIZES), "chains", "sums", "listops")
"""Each may be followed by a colon and the greatest difficulty in training."""
_USUAL_FACTORS, _USUAL_MOST = 12, 4
"""The greatest difficulty in training where none is named: of compose, and of the others."""


def open_task(name: str) -> ProblemTask:
    """The task of that name. Raises UsageError for one there is not, and for an impossible difficulty."""
    known = next((known for known in TASK_NAMES if name == known or name.startswith(f"{known}:")), None)
    if known is None:
        kind = name.partition(":")[0]
        alike = [one for one in TASK_NAMES if one.partition(":")[0] == kind]
        hint = f"Choose one of: {', '.join(alike)}." if alike else did_you_mean(name, TASK_NAMES)
        raise UsageError(f"There is no task '{name}'.", hint=hint, field="task")
    most = _difficulty(name, known)
    name = known if name == known else f"{known}:{most}"
    if known.startswith("compose:"):
        return Compose(name, int(known[-1]), most)
    kinds: dict[str, type[ProblemTask]] = {"chains": Chains, "sums": Sums, "listops": ListOps}
    return kinds[known](name, most)


def _difficulty(name: str, known: str) -> int:
    if name == known:
        return _USUAL_FACTORS if known.startswith("compose:") else _USUAL_MOST
    number = name.removeprefix(f"{known}:")
    if not (number.isascii() and number.isdecimal()) or len(number) > 6:
        raise UsageError(
            f"The difficulty of task '{name}' is not a whole number below a million.",
            hint=f"For example: {{task={known}:8}}",
            field="task",
        )
    return int(number)
