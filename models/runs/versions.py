"""Earlier versions of a run: what it was before it learned another text, to return to.

    runs/<name>/versions/before-shakespeare/    a run in itself, with its newest and its best checkpoint

A run counts its changes (`revision`). A version of the present revision was saved for a change that a kill
prevented. It is what the run is anyway, and does not count. Torch-free.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from data.errors import RlmError, UsageError
from data.storage import move_into_place, remove_entry, storing, temporary_beside
from models.errors import RunError
from models.runs.checkpoint_folder import (
    SavedCheckpoint,
    complete_checkpoints,
    newest_checkpoint,
    read_pointer,
    write_pointer,
)
from models.runs.event_log import LineAppender, append_event
from models.runs.events import Event, RunFinished, RunPaused
from models.runs.lock import require_in_place
from models.runs.pending_change import pending_change
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_folder import copy_tree, remove_whole
from models.runs.run_names import CONFIG_FILE, NAME, VERSIONS, aside, free_name
from models.runs.weights_file import weights_problem

_LEFT_OUT = ("checkpoints", "conversations", VERSIONS, "events.jsonl", "training.log")
"""Of a run, in a version: it has two checkpoints, and of the events the last ones that count."""


def versions(run: Run, config: RunConfig) -> list[Run]:
    """The earlier versions of `run`, whose configuration is `config`, the oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(run.versions_path):
            version = Run(Path(entry.path))
            if NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    found.append((version.config_path.lstat().st_mtime, version.path))
    return [Run(path) for _, path in sorted(found) if _counts(Run(path), config)]


def open_version(run: Run, name: str, config: RunConfig) -> Run:
    """The version of that name. Raises UsageError where there is none, RunError where it is damaged."""
    names = [version.name for version in versions(run, config)]
    if name not in names:
        have = f"It has {', '.join(names)}." if names else "It keeps one whenever it learns another text."
        raise UsageError(f"Run '{run.name}' has no version '{name}'.", hint=have)
    return Run.open(run.versions_path / name, run.versions_path)


def version_name(run: Run, stem: str, config: RunConfig) -> str:
    """A name close to `stem` that no version has yet."""
    taken = {version.name for version in versions(run, config)}
    return free_name(stem, lambda name: name in taken)


def save_version(run: Run, name: str) -> None:
    """Keep what `run` is now as the version `name`, to be changed after that.

    Its tensors share their place on the disk with those of the run where the filesystem can. The caller holds
    the run's lock. Raises RunError for a link in the folder, StorageError; the run is then as it was.
    """
    require_in_place(run.path)
    folder = run.versions_path
    with storing(f"version '{name}' of run '{run.name}'"):
        folder.mkdir(exist_ok=True)
        with temporary_beside(folder / name) as temporary:
            temporary.mkdir()
            copy_tree(run.path, temporary, without=_LEFT_OUT, link_tensors=True)
            _copy_checkpoints(run, temporary / "checkpoints")
            with LineAppender(temporary / "events.jsonl") as log:
                for event in _last_events(run):
                    append_event(log, event)
            if os.path.lexists(folder / name):  # of a change that a kill prevented
                removed = aside(folder / name)
                os.rename(folder / name, removed)
                remove_entry(removed)
            move_into_place(temporary, folder / name)


def remove_version(run: Run, name: str) -> None:
    """Remove a version of `run`, damaged or not.

    Raises RunError where the run is going back to it, or has nothing else to go on from; RunBusyError,
    StorageError.
    """
    version = Run(run.versions_path / name)
    with run.lock(), version.lock():
        change = pending_change(run, run.config())
        if change is not None and change.state.version == name:
            raise RunError(
                f"Run '{run.name}' is going back to its version '{name}'.",
                hint=f"Let it end that first: {{resume {run.in_command}}}",
            )
        if _is_all_there_is(run, name):
            raise RunError(
                f"Version '{name}' is the only state of run '{run.name}' that is whole.",
                hint=f"To remove all of the run: {{rm {run.in_command}}}",
            )
        remove_whole(version.path, f"version '{name}' of run '{run.name}'")


def _is_all_there_is(run: Run, name: str) -> bool:
    """Whether only this version of `run` has a checkpoint, and the run has no weights."""
    versions_of_run = versions(run, run.config())
    whole = [one.name for one in versions_of_run if newest_checkpoint(one.checkpoints_path) is not None]
    has_own_state = (
        newest_checkpoint(run.checkpoints_path) is not None or weights_problem(run.weights_path) is None
    )
    return whole == [name] and not has_own_state


def is_saved(run: Run, config: RunConfig) -> bool:
    """Whether a version has the same newest checkpoint as `run`."""
    newest = newest_checkpoint(run.checkpoints_path)
    return newest is not None and any(
        (saved := newest_checkpoint(version.checkpoints_path)) is not None and saved.files == newest.files
        for version in versions(run, config)
    )


def _counts(version: Run, config: RunConfig) -> bool:
    try:
        return version.config().revision < config.revision
    except RlmError:  # damaged: it is listed, and says so where it is opened
        return os.path.lexists(version.path / CONFIG_FILE)


def _copy_checkpoints(run: Run, target: Path) -> None:
    """Copy the newest checkpoint and the best one, and point to them."""
    target.mkdir()
    for pointer, checkpoint in _newest_and_best(run):
        if not (target / checkpoint.name).exists():
            (target / checkpoint.name).mkdir()
            copy_tree(checkpoint.path, target / checkpoint.name, link_tensors=True)
        write_pointer(target, pointer, checkpoint.name)


def _newest_and_best(run: Run) -> Iterator[tuple[str, SavedCheckpoint]]:
    complete = complete_checkpoints(run.checkpoints_path)
    best = read_pointer(run.checkpoints_path, "best")
    yield from (("latest", one) for one in complete[:1])
    yield from (("best", one) for one in complete if one.name == best)


def _last_events(run: Run) -> Iterator[Event]:
    """What a listing needs to know: the best evaluation, and how the last training ended."""
    history, newest = run.history(), newest_checkpoint(run.checkpoints_path)
    if history.best is not None:
        yield history.best
    if isinstance(history.ended, RunFinished):
        yield history.ended
    elif newest is not None:
        last_step = newest.state.schedule.last_step
        yield RunPaused(step=newest.step, total_steps=last_step, path=str(run.path))
