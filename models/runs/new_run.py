"""Makes the folder of a new run, fills it all or nothing, and removes it where that fails."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from data.errors import UsageError
from data.storage import remove_entry, storing, sync_directory
from models.errors import RunBusyError
from models.runs.incomplete import STAGING, clear_incomplete
from models.runs.lock import LOCK_FILE, is_in_place, require_in_place
from models.runs.run import Run
from models.runs.run_names import CONFIG_FILE, aside, require_name, suggest_name


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
def staging(run: Run) -> Iterator[Run]:
    """A run of the same name in a folder inside the folder of `run`, which is new and locked, to be filled.

    At the end its files are moved to their places, config.json last: it makes the folder a run. Until then
    the folder is an incomplete run, and the next run of that name takes it over. Raises StorageError.
    """
    folder = run.path / STAGING
    staged = Run(folder / run.name)
    with storing(f"run '{run.name}'"):
        folder.mkdir()
        staged.path.mkdir()
    yield staged
    require_in_place(run.path)
    with storing(f"run '{run.name}'"):
        for name in sorted(os.listdir(staged.path), key=lambda name: name == CONFIG_FILE):
            os.rename(staged.path / name, run.path / name)
        sync_directory(run.path)
        staged.path.rmdir()
        folder.rmdir()


@contextlib.contextmanager
def _locked_folder(name: str, runs_dir: Path) -> Iterator[Run]:
    """An empty folder under its lock. An error inside removes it, unless it was there before and not ours."""
    is_ours = _make_folder(name, runs_dir) or os.path.lexists(runs_dir / name / LOCK_FILE)
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
            if is_ours and is_in_place(run.path):
                _remove(run)
            elif is_in_place(run.path):
                clear_incomplete(run.path)
            raise


def _make_folder(name: str, runs_dir: Path) -> bool:
    """Make the folder of a run; whether it was not there before. Raises UsageError, StorageError."""
    require_name(name)
    with storing(f"run '{name}'"):
        runs_dir.mkdir(parents=True, exist_ok=True)
        try:
            (runs_dir / name).mkdir()
        except FileExistsError:
            return False
    return True


def _remove(run: Run) -> None:
    """Remove the folder of a run whose lock this process holds.

    It is renamed first. From then on the name is free, and what another process makes there stays.
    """
    removed = aside(run.path)
    try:
        os.rename(run.path, removed)
    except OSError:
        removed = run.path
    with contextlib.suppress(OSError):
        remove_entry(removed)
