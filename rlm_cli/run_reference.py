"""The argument that names a run: its name, or its path if the folder name is not a valid name."""

import os
import shlex
from pathlib import Path
from typing import Protocol

from data.errors import UsageError
from models.errors import RunError


class NamedRun(Protocol):
    """A run or its summary."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...


def reference(run: NamedRun) -> str:
    """What names the run in a command without --runs-dir: its name where that is enough, else its path."""
    return reference_to(run.path)


def reference_to(path: Path) -> str:
    """The reference of the run in that folder."""
    if is_in_usual_folder(path):
        return path.name
    relative = os.path.relpath(path)
    if relative == os.curdir:
        return relative
    return str(path) if relative.startswith(os.pardir) else os.path.join(os.curdir, relative)


def new_name_flags(path: Path) -> str:
    """The flags that give a run in that folder its name, quoted for a shell."""
    where = "" if is_in_usual_folder(path) else f" --runs-dir {shlex.quote(str(path.parent))}"
    return f"--name {path.name}{where}"


def is_in_usual_folder(path: Path) -> bool:
    """Whether the run of that folder is found by its name alone."""
    from models.runs.run_names import NAME
    from rlm_cli.environment import runs_dir

    try:
        usual = runs_dir()
    except UsageError:
        return False
    return NAME.fullmatch(path.name) is not None and usual.resolve() == path.parent.resolve()


def quoted_reference(run: NamedRun) -> str:
    """The reference, quoted for a shell."""
    return shlex.quote(reference(run))


def newest_in_training(folder: Path) -> str:
    """The reference of the newest run in `folder` that a process trains. Raises RunError if there is none."""
    from models.runs.listing import list_runs

    for run in list_runs(folder):
        if run.status == "training":
            return reference(run)
    raise RunError(f"No run in '{folder}' is training.", hint="See which runs there are: {ls}")
