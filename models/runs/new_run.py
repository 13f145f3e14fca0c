"""The folder of a new run, which is gone again where filling it fails."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from data.errors import UsageError
from models.errors import RunBusyError
from models.runs.run import Run, suggest_name
from data.storage import remove_entry
from models.runs.incomplete import clear_unborn


@contextlib.contextmanager
def fresh_run(name: str, runs_dir: Path, *, unchosen: str | None = None) -> Iterator[Run]:
    """A run made for what is written inside, under its lock; if that fails, nothing of it is left behind.

    `unchosen` is what the run is called after where nobody chose its name: another process that is at
    the same name, or has made a run of it since, gets it then, and this run the next free one. Raises
    UsageError for an impossible or taken name, RunBusyError where another process is at the same name
    right now, StorageError.
    """
    with contextlib.ExitStack() as held:
        while True:
            try:
                run = held.enter_context(_held_folder(name, runs_dir))
                break
            except (UsageError, RunBusyError):
                taken, name = name, name if unchosen is None else suggest_name(unchosen, runs_dir)
                if name == taken:
                    raise
        try:
            yield run
        except BaseException:
            with contextlib.suppress(OSError):
                remove_entry(run.path)
            raise


@contextlib.contextmanager
def _held_folder(name: str, runs_dir: Path) -> Iterator[Run]:
    """An empty folder under its lock, which goes where nothing was written into it."""
    run = Run.create(name, runs_dir)
    try:
        with run.lock():
            Run.create(name, runs_dir)  # raises where another process had the lock first, and made a run
            clear_unborn(run.path)
            yield run
    finally:
        with contextlib.suppress(OSError):
            run.path.rmdir()  # succeeds where not even the lock could be written
