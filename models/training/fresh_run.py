"""The folder of a new run, which is gone again where filling it fails."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from models.run import Run
from models.storage import remove_entry


@contextlib.contextmanager
def fresh_run(name: str, runs_dir: Path) -> Iterator[Run]:
    """A run made for what is written inside; if that fails, nothing of it is left behind.

    Raises UsageError for an impossible or taken name, StorageError.
    """
    run = Run.create(name, runs_dir)
    try:
        yield run
    except BaseException:
        with contextlib.suppress(OSError):
            remove_entry(run.path)
        raise
