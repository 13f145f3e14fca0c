"""A run that is to grow: what can grow, plans of larger ones, and the command that writes one.

Reading, planning and checking may take seconds and belong into a thread. Importing this loads no torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from models.growth.axes import AXES
from models.growth.grown_run import MINUTES
from models.runs.listing import summarize
from models.runs.run import Run
from tui.launcher import resume_arguments

if TYPE_CHECKING:
    from models.growth.expand import ExpansionPlan
    from models.growth.parent import Parent

TARGET = "parameters in total"
"""What the form calls a target."""
_SIZE = re.compile(r"--([a-z]+(?:-[a-z]+)?)(?: ([\d,]+))?")
_FIELD = re.compile(r"model\.[a-z_]+ is \d+; it must be")
_COARSE = 5
"""Bits of a size below its first that a step leaves alone: sizes to 31 change by one, larger ones by more."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What is to grow: the new sizes by axis, or a number of parameters; and the name of the new run."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    target_parameters: int | None = None
    name: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.sizes and self.target_parameters is None


@dataclass(frozen=True, slots=True)
class Axis:
    """One way to grow."""

    name: str
    counts: str
    """What it counts, in words."""
    size: int
    """As it is now."""

    def changed(self, size: int, direction: int) -> int:
        """A size one step larger or smaller, and never smaller than now."""
        step = 1 << max(0, self.size.bit_length() - _COARSE)
        return max(self.size, size + direction * step)


class Expansion:
    """A run, read once, and where the larger ones are written."""

    def __init__(self, parent: "Parent", runs_dir: Path) -> None:
        self._parent = parent
        self._runs_dir = runs_dir
        self.axes = [Axis(name, AXES[name], size) for name, size in parent.open_sizes.items()]

    @classmethod
    def read(cls, run: Run, runs_dir: Path) -> "Expansion":
        """Read a run. Raises as `read_parent` does."""
        from models.growth.parent import read_parent

        return cls(read_parent(run), runs_dir)

    @property
    def parameters(self) -> int:
        return self._parent.config.parameters or 0

    def plan(self, growth: Growth) -> "ExpansionPlan":
        """The plan of a larger run. Raises as `plan_growth` does."""
        from models.growth.expand import plan_growth

        return plan_growth(
            self._parent,
            growth.sizes,
            target_parameters=growth.target_parameters,
            name=growth.name,
            runs_dir=self._runs_dir,
        )

    def arguments(self, growth: Growth, name: str) -> list[str]:
        """The command that writes the run of that name."""
        sizes = [part for axis, size in growth.sizes.items() for part in (f"--{axis}", str(size))]
        if growth.target_parameters is not None:
            sizes += ["--target-params", str(growth.target_parameters)]
        where = ["--runs-dir", str(self._runs_dir), "--name", name]
        return ["expand", *sizes, *where, "--quiet", "--", str(self._parent.run.path)]


def in_form_words(text: str) -> str:
    """A message about growing, with the sizes and the target called as in the form."""
    text = _FIELD.sub("the number must be", text)

    def of_size(found: re.Match[str]) -> str:
        counts, size = AXES.get(found[1]), found[2]
        if counts is None:
            return found[0]
        return f"'{counts}'" if size is None else f"{size} {counts}"

    return _SIZE.sub(of_size, text).replace("{target_parameters}", f"'{TARGET}'")


def train_on_arguments(run: Run) -> list[str] | None:
    """The command that trains a grown run; None for one that has no text yet."""
    match summarize(run.path).status:
        case "created":
            return None
        case "finished":
            return [*resume_arguments(run.path), "--minutes", str(MINUTES)]
        case _:
            return resume_arguments(run.path)
