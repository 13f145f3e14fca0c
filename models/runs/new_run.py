"""Makes the folder of a new run, and removes it where filling it fails."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from data.errors import UsageError
from data.storage import TEMPORARY_PREFIX, remove_entry
from models.errors import RunBusyError
from models.runs.incomplete import clear_incomplete
from models.runs.lock import LOCK_FILE
from models.runs.run import Run
from models.runs.run_names import suggest_name


@contextlib.contextmanager
def new_run(name: str, runs_dir: Path, *, suggested_from: str | None = None) -> Iterator[Run]:
    """A new run, under its lock, for the caller to fill. An error inside removes it again.

    `suggested_from` is the stem of a name that the user did not choose. If that name is taken by now, the
    run gets the next free one. Raises UsageError for an impossible or taken name, RunBusyError where another
    process is making a run of that name, StorageError.
    """
    with contextlib.ExitStack() as stack:
        while True:
            try:
                run = stack.enter_context(_locked_folder(name, runs_dir))
                break
            except (UsageError, RunBusyError):
                taken, name = name, name if suggested_from is None else suggest_name(suggested_from, runs_dir)
                if name == taken:
                    raise
        yield run


@contextlib.contextmanager
def _locked_folder(name: str, runs_dir: Path) -> Iterator[Run]:
    """An empty folder under its lock. An error inside removes it, unless it was there before and not ours."""
    path = runs_dir / name
    is_ours = not os.path.lexists(path) or os.path.lexists(path / LOCK_FILE)
    run = Run.create(name, runs_dir)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(run.lock())
        except BaseException:
            if is_ours:
                with contextlib.suppress(OSError):
                    run.path.rmdir()  # fails where another process has its lock in it
            raise
        Run.create(name, runs_dir)  # raises where another process had the lock first and made a run
        clear_incomplete(run.path)
        try:
            yield run
        except BaseException:
            if is_ours:
                _remove(run)
            else:
                clear_incomplete(run.path)
            raise


def _remove(run: Run) -> None:
    """Remove the folder of a run whose lock this process holds.

    It is renamed first. From then on the name is free, and what another process makes there stays.
    """
    removed = run.path.with_name(f"{TEMPORARY_PREFIX}{run.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        os.rename(run.path, removed)
    except OSError:
        removed = run.path
    with contextlib.suppress(OSError):
        remove_entry(removed)
