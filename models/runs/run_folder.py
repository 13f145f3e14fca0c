"""Copies, renames and removes whole runs. Nothing here follows a link, or leaves the folder of the runs."""

import contextlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from data.errors import StorageError, UsageError
from data.storage import (
    TEMPORARY_PREFIX,
    clear_temporaries,
    copy_file,
    remove_entry,
    require_space,
    storing,
    sync_directory,
)
from models.errors import RunError
from models.runs.control_requests import CONTROL_FOLDER
from models.runs.detached_output import OUTPUT_FILE
from models.runs.incomplete import is_incomplete
from models.runs.lock import LOCK_FILE, PID_FILE, RESERVED_FILE, holding_lock, holding_lock_to_read
from models.runs.new_run import new_run, staging
from models.runs.run import Run
from models.runs.run_names import (
    NAME,
    VERSIONS,
    aside,
    folders_in,
    has_trace_of_run,
    is_there,
    name_is_taken,
    refuse_version,
    require_free_name,
    run_of_version,
    unknown_run,
)

_OF_A_PROCESS = (LOCK_FILE, PID_FILE, RESERVED_FILE, CONTROL_FOLDER, OUTPUT_FILE)
"""What belongs to the processes that had a run, and not to the run."""
_FORGOTTEN_AFTER_S = 60.0


def find_folder(name_or_path: str, runs_dir: Path) -> Path:
    """The folder of a run in `runs_dir` or of a version of one, damaged or not, by its name or path.

    Raises UsageError where there is none, and RunError for a link and for a folder that holds no run.
    """
    path = runs_dir / name_or_path
    if not (NAME.fullmatch(name_or_path) and is_there(path, follow_links=False)):
        path = Path(os.path.expanduser(name_or_path))
        if not name_or_path or not is_there(path, follow_links=False):
            raise _unknown_version(path) or unknown_run(name_or_path, runs_dir)
    path = path.absolute()
    if os.path.islink(path):
        raise RunError(f"'{path}' is a link, and rlm leaves links alone.", hint="Give the folder itself.")
    path = path.resolve()
    if not os.path.isdir(path) or not has_trace_of_run(path):
        raise RunError(f"'{path}' is not a run.", hint="See what there is: {ls}")
    run = run_of_version(path) or path
    if run.parent != runs_dir.resolve():
        raise UsageError(
            f"'{path}' is not in the folder of the runs, '{runs_dir}'.",
            hint=f"Name its folder: {{runs_dir={run.parent}}}",
        )
    return path


def _unknown_version(path: Path) -> UsageError | None:
    """The error where `path` would be a version of a run that is there; else None."""
    owner = run_of_version(path)
    if owner is None:
        return None
    names = sorted(one.name for one in folders_in(owner / VERSIONS) if NAME.fullmatch(one.name))
    return UsageError(
        f"Run '{owner.name}' has no version '{path.name}'.",
        hint=f"It has {', '.join(names)}." if names else "It has none.",
    )


def remove_run(path: Path) -> None:
    """Remove the run in the folder `path`, as `find_folder` gave it.

    It is renamed first, so a kill leaves no part of a run that is listed. Raises RunBusyError, StorageError.
    """
    with holding_lock(path):
        remove_whole(path, f"run '{path.name}'")


def finish_removals(runs_dir: Path) -> None:
    """Remove what removals that were killed left in `runs_dir`. What cannot be removed stays."""
    clear_temporaries(runs_dir, _FORGOTTEN_AFTER_S)


def remove_whole(path: Path, what: str) -> None:
    """Rename the folder `path` to a name that is not listed, and remove it. Raises StorageError."""
    with storing(f"the removal of {what}"):
        removed = aside(path)
        os.rename(path, removed)
        try:
            remove_entry(removed)
        except OSError as error:
            raise StorageError(
                f"{what[0].upper()}{what[1:]} is gone, but not all of its files: {error.strerror or error}.",
                hint=f"Remove what is left: {removed}",
            ) from error


def rename_run(run: Run, name: str, runs_dir: Path) -> Run:
    """Give the run in `runs_dir` another name, in one step.

    Raises UsageError for an impossible or taken name and for a version, RunBusyError, StorageError.
    """
    refuse_version(run.path)
    require_free_name(name, runs_dir)
    target = run.path.with_name(name)
    with run.lock():
        config = run.config()
        with storing(f"the name of run '{run.name}'"):
            if is_incomplete(target):
                _take_away(target)
            try:
                os.rename(run.path, target)
            except (FileExistsError, NotADirectoryError):
                raise name_is_taken(name, runs_dir) from None
            except OSError:
                if os.path.lexists(target):
                    raise name_is_taken(name, runs_dir) from None
                raise
            sync_directory(target.parent)
            renamed = Run(target)
            with contextlib.suppress(OSError):
                (target / PID_FILE).unlink()
        renamed.save_config(replace(config, name=name))
    return renamed


def copy_run(run: Run, name: str, runs_dir: Path, without: Collection[str] = ()) -> Run:
    """A new run in `runs_dir` that is what `run` is now. `without` are names of what is not copied.

    It only reads `run`, which may be on a read-only disk. All or nothing. Raises UsageError for an impossible
    or taken name, RunBusyError where a process has either run, RunError where there is a link in the folder,
    StorageError.
    """
    with holding_lock_to_read(run.path), copying(run, name, runs_dir, without) as (_, staged):
        staged.save_config(replace(run.config(), name=name))
    return Run.open(name, runs_dir)


@contextlib.contextmanager
def copying(run: Run, name: str, runs_dir: Path, without: Collection[str] = ()) -> Iterator[tuple[Run, Run]]:
    """A new run, and the place in it where a copy of `run` waits to become it: it does at the end.

    The caller holds the lock of `run`.
    """
    with new_run(name, runs_dir) as new, staging(new) as staged:
        with storing(f"run '{name}'"):
            require_space(new.path, size_of_tree(run.path), f"run '{name}'")
            copy_tree(run.path, staged.path, without=without)
        yield new, staged


def copy_tree(
    source: Path, target: Path, *, without: Collection[str] = (), link_tensors: bool = False
) -> None:
    """Copy the content of the folder `source` into the empty folder `target`, synced.

    What belongs to a process is left out, and what is in `without`. With `link_tensors`, files of tensors may
    share their place on the disk: they are replaced and never written to in place. Raises RunError for a link
    or a special file, OSError.
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if entry.name in without or entry.name in _OF_A_PROCESS or entry.name.startswith(TEMPORARY_PREFIX):
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        place = target / entry.name
        if stat.S_ISDIR(mode):
            place.mkdir()
            copy_tree(Path(entry.path), place, link_tensors=link_tensors)
        elif stat.S_ISREG(mode):
            copy_file(Path(entry.path), place, link=link_tensors and entry.name.endswith(".safetensors"))
        else:
            raise RunError(f"'{entry.path}' is a link or no plain file, and cannot be copied with the run.")
    sync_directory(target)


def size_of_tree(folder: Path) -> int:
    """Bytes of the files in a folder; a file that has several names there counts once, a link not at all."""
    sizes: dict[tuple[int, int], int] = {}
    for path in _files(folder):
        with contextlib.suppress(OSError):  # a training may have removed it
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _take_away(folder: Path) -> None:
    """Remove an incomplete run that a kill left."""
    with holding_lock(folder):
        removed = aside(folder)
        os.rename(folder, removed)
        remove_entry(removed)
