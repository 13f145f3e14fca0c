"""The argument that names a run: its name, or its path if the folder name is not a valid name."""

import os
import shlex
from pathlib import Path
from typing import Protocol

from data.errors import UsageError


class NamedRun(Protocol):
    """A run or its summary."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...


def reference(run: NamedRun) -> str:
    """The name or path that `Run.open` accepts."""
    from models.runs.run_names import require_name

    try:
        require_name(run.name)
    except UsageError:
        relative = os.path.relpath(run.path)
        return str(run.path) if relative.startswith(os.pardir) else os.path.join(os.curdir, relative)
    return run.name


def quoted_reference(run: NamedRun) -> str:
    """The reference, quoted for a shell."""
    return shlex.quote(reference(run))
