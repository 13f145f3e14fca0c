"""The files that --out, --html, --markdown and --save write."""

import os
from pathlib import Path

from data.errors import UsageError


def require_free(file: Path, *, force: bool) -> None:
    """Raise UsageError where `file` cannot be written, or is there already and may not be replaced.

    Asked before the work begins, so that nothing is measured in vain.
    """
    path = Path(os.path.expanduser(file))  # Path.expanduser raises for an unknown user
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder '{file.parent}'.", hint="Make it first, or give another name.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"You may not write into the folder '{file.parent}'.", hint="Give a name in another folder."
        )
    if os.path.lexists(path) and not (force and path.is_file()):
        hint = "Give another name, or overwrite it: --force" if path.is_file() else "Give another name."
        raise UsageError(f"'{file}' already exists.", hint=hint)
