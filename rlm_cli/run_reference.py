"""What to type for a run: its name, or where it lies if its folder has a name that no run is given."""

import os
import shlex
from pathlib import Path
from typing import Protocol

from data.errors import UsageError
from models.runs.run_names import require_name


class Named(Protocol):
    """A run, or what a listing says of one."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...


def reference(run: Named) -> str:
    """What `Run.open` finds the run by."""
    try:
        require_name(run.name)
    except UsageError:
        near = os.path.relpath(run.path)
        return str(run.path) if near.startswith(os.pardir) else os.path.join(os.curdir, near)
    return run.name


def typed(run: Named) -> str:
    """The same as a shell needs it."""
    return shlex.quote(reference(run))
