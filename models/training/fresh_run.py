"""The folder of a new run, which is gone again where filling it fails."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from models.run import Run
from models.storage import remove_entry
from models.unborn import clear_unborn


@contextlib.contextmanager
def fresh_run(name: str, runs_dir: Path) -> Iterator[Run]:
    """A run made for what is written inside, under its lock; if that fails, nothing of it is left behind.

    Raises UsageError for an impossible or taken name, RunBusyError where another process is at
    the same name right now, StorageError.
    """
    run = Run.create(name, runs_dir)
    try:
        with run.lock():
            Run.create(name, runs_dir)  # raises where another process had the lock first, and made a run
            clear_unborn(run.path)
            try:
                yield run
            except BaseException:
                with contextlib.suppress(OSError):
                    remove_entry(run.path)
                raise
    finally:
        with contextlib.suppress(OSError):
            run.path.rmdir()  # succeeds where not even the lock could be written
