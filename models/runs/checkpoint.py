"""Saving and loading the whole state of a training, so that nothing acknowledged is ever lost.

The order of a save is what makes it safe: everything is written and synced under a temporary
name, `state.json` with the hashes of the rest last; then one rename makes the checkpoint exist,
then pointers move to it, and only then older ones go. Whoever is killed in between leaves either
the old state or the new one, and at most a temporary folder that the next save clears.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from data.errors import StorageError
from data.storage import (
    TEMPORARY_PREFIX,
    clear_temporaries,
    remove_entry,
    replace_file,
    require_space,
    storing,
    sync_directory,
    write_file,
)
from models.errors import CheckpointError
from models.runs.checkpoint_folder import (
    MODEL_FILE,
    STATE_FILE,
    TRAINING_FILE,
    SavedCheckpoint,
    complete_checkpoints,
    folder_name,
    open_folder,
    prune_folder,
    read_pointer,
    require_room_for_pointers,
    state_text,
    write_pointer,
)
from models.runs.lock import require_in_place
from models.runs.run import Run
from models.runs.run_state import RunState
from models.runs.tensor_file import file_size, read_tensors, sealed, tensor_pieces

_STATE_ALLOWANCE = 1 << 16  # bytes `state.json` needs beyond its state


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A training after `step` steps.

    `model` holds the weights, `training` every other tensor (optimizer, average, puzzles under way),
    `state` the rest. Floats come back bit for bit, infinities and NaN included.
    """

    step: int
    model: dict[str, Tensor]
    training: dict[str, Tensor]
    state: RunState


def save_checkpoint(
    run: Run,
    snapshot: Snapshot,
    *,
    pointers: Sequence[str] = ("latest",),
    metadata: Mapping[str, str] | None = None,
    keep: int | None = 3,
) -> Path:
    """Write a complete checkpoint, point `pointers` to it, and return its folder.

    Once this returns the checkpoint survives a crash. The caller holds the run's lock. `metadata`
    goes into the model file. Afterwards all but the newest `keep` are pruned (None: none is).
    Raises StorageError; every earlier checkpoint and pointer is then as it was, or the pointers
    moved before the disk gave out point to this one, complete.
    """
    what = f"the checkpoint of step {snapshot.step}"
    folder = run.checkpoints_path
    require_in_place(run.path)
    with storing(what):
        if not folder.is_dir():
            folder.mkdir()
        clear_temporaries(folder)
        size = file_size(snapshot.model, metadata or {}) + file_size(snapshot.training, {})
        state_size = len(state_text(snapshot.step, 0, {}, snapshot.state.to_json())) + _STATE_ALLOWANCE
        require_space(folder, size + state_size, what)
        name = folder_name(folder, snapshot.step)
        _write_folder(folder, name, snapshot, metadata or {})
    for pointer in pointers:
        write_pointer(folder, pointer, name)
    if keep is not None:
        with contextlib.suppress(StorageError):  # the save is done; the next one prunes again
            prune(run, keep)
    return folder / name


def has_checkpoints(run: Run) -> bool:
    """Whether there is anything to go on from, damaged or not. The caller holds the run's lock."""
    try:
        return any(not name.startswith(TEMPORARY_PREFIX) for name in os.listdir(run.checkpoints_path))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CheckpointError(
            f"'{run.checkpoints_path}' cannot be read: {error.strerror or error}."
        ) from error


def load_checkpoint(run: Run, pointer: str = "latest") -> tuple[Snapshot, list[str]]:
    """What a pointer points to, every byte checked, and sentences the user should see.

    Where that checkpoint is missing or damaged, the newest intact one is taken and a note says
    so. Raises CheckpointError where there is none, and where training from it could not be saved.
    """
    require_room_for_pointers(run.checkpoints_path)
    notes: list[str] = []
    for checkpoint in _candidates(run, pointer, notes):
        problem = checkpoint.damage()
        if problem is None:
            try:
                model, _ = read_tensors(checkpoint.path / MODEL_FILE)
                training, _ = read_tensors(checkpoint.path / TRAINING_FILE)
            except CheckpointError as error:
                problem = error.message
            else:
                if notes:
                    notes.append(f"Went back to the newest intact checkpoint, {checkpoint.name}.")
                return Snapshot(checkpoint.step, model, training, checkpoint.state), notes
        notes.append(f"Checkpoint {checkpoint.name} is damaged: {problem}.")
    if not notes:
        raise CheckpointError(f"Run '{run.name}' has no checkpoint.", hint="Train it first: {train FILE}")
    raise CheckpointError(
        f"Run '{run.name}' has no intact checkpoint. {notes[0]}",
        hint="Its training cannot go on; train anew under another name.",
    )


def save_weights(run: Run, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Replace the run's ready-to-use weights in one step. Raises StorageError, the old ones intact."""
    what = f"the weights of run '{run.name}'"
    require_in_place(run.path)
    metadata = sealed(tensors, metadata)
    with storing(what):
        require_space(run.path, file_size(tensors, metadata), what)
    replace_file(run.weights_path, tensor_pieces(tensors, metadata), what)


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors on the CPU and metadata of a weights file.

    Raises CheckpointError for a file that is missing, truncated or altered since it was written.
    """
    return read_tensors(Path(path))


def prune(run: Run, keep: int = 3) -> list[str]:
    """Remove all but the newest `keep` checkpoints and those a pointer names; return their names."""
    with storing("the list of checkpoints"):
        return prune_folder(run.checkpoints_path, keep)


def _write_folder(folder: Path, name: str, snapshot: Snapshot, metadata: Mapping[str, str]) -> None:
    """Write every file under a temporary name and rename the folder into its place. Raises OSError."""
    serial = 1 + max((checkpoint.serial for checkpoint in complete_checkpoints(folder)), default=0)
    temporary = folder / f"{TEMPORARY_PREFIX}{name}"
    try:
        os.mkdir(temporary)
        files = {
            MODEL_FILE: write_file(temporary / MODEL_FILE, tensor_pieces(snapshot.model, metadata)),
            TRAINING_FILE: write_file(temporary / TRAINING_FILE, tensor_pieces(snapshot.training, {})),
        }
        write_file(
            temporary / STATE_FILE, [state_text(snapshot.step, serial, files, snapshot.state.to_json())]
        )
        sync_directory(temporary)
        os.rename(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_entry(temporary)
        raise
    sync_directory(folder)


def _candidates(run: Run, pointer: str, notes: list[str]) -> Iterator[SavedCheckpoint]:
    """What the pointer means first, then the rest, newest first. Adds to `notes` why not the first."""
    folder = run.checkpoints_path
    complete = complete_checkpoints(folder)
    target = read_pointer(folder, pointer)
    if target is not None:
        try:
            yield open_folder(folder / target)
        except CheckpointError as error:
            notes.append(f"The {pointer} checkpoint cannot be used: {error.message}")
    elif complete:
        notes.append(f"There is no usable pointer '{pointer}'.")
    for checkpoint in complete:
        if checkpoint.name != target:
            yield checkpoint
