"""The checkpoints of a run as folders on disk: which there are, which is meant, which may go.

    checkpoints/step_000500/{model.safetensors, training.safetensors, state.json}
    checkpoints/latest      a pointer: a text file that holds the name of a folder

`state.json` is the last file written into a folder and holds the sizes and hashes of the others
and a checksum of itself. A step saved a second time becomes `step_000500-2`, beside the first,
so that no moment has neither. Nothing here needs torch.
"""

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.storage import TEMPORARY_PREFIX, FileDigest, digest_of, remove_entry, replace_file, sync_directory
from models.errors import CheckpointError, RunError
from models.runs.migrations import migrated, require_known, stamped
from models.runs.read_files import read_bounded, read_json
from models.runs.run_state import RunState
from models.runs.typed_json import JsonObject, MismatchError

MODEL_FILE, TRAINING_FILE, STATE_FILE = "model.safetensors", "training.safetensors", "state.json"
_LARGEST_STATE = 64 << 20
_FOLDER_NAME = re.compile(r"step_(\d{6,12})(?:-(\d{1,6}))?", re.ASCII)
POINTERS = ("latest", "best", "pause")
"""What a training points to: its newest checkpoint, its best one, and the one of a pause."""
_POINTER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A complete checkpoint: every file of its manifest is there in the size it was written.

    `serial` counts the saves of a run, so the newest is the highest even after a rollback.
    `state` is how far the training had come.
    """

    name: str
    path: Path
    step: int
    serial: int
    size: int
    files: Mapping[str, FileDigest]
    state: RunState

    def damage(self) -> str | None:
        """What differs from the manifest, every byte read; None where nothing does."""
        for name, expected in self.files.items():
            try:
                found = digest_of(self.path / name)
            except OSError as error:
                return f"{name} cannot be read: {error.strerror or error}"
            if found != expected:
                return f"{name} is not what was written"
        return None


def folder_name(folder: Path, step: int) -> str:
    """A name no checkpoint has yet for `step`."""
    plain = f"step_{step:06d}"
    taken = set(os.listdir(folder))
    revisions = (f"{plain}-{number}" for number in range(2, 1_000_000))
    return plain if plain not in taken else next(name for name in revisions if name not in taken)


def state_text(step: int, serial: int, files: Mapping[str, FileDigest], state: Mapping[str, Any]) -> bytes:
    """`state.json` as bytes. Floats that JSON does not know are written as Python reads them back."""
    digests = {name: {"size": digest.size, "sha256": digest.sha256} for name, digest in files.items()}
    content = stamped(STATE_FILE, {"step": step, "serial": serial, "files": digests, "state": state})
    # The checksum is of what a reader will see: tuples have become lists, keys strings.
    content = json.loads(json.dumps(content))
    return json.dumps({**content, "checksum": _checksum(content)}, indent=1).encode()


def open_folder(path: Path) -> SavedCheckpoint:
    """Read and check `state.json`, and the sizes of the files it names.

    Raises CheckpointError that says what is wrong. Contents are not hashed: see `damage`.
    """
    match = _FOLDER_NAME.fullmatch(path.name)
    if match is None or os.path.islink(path) or not os.path.isdir(path):
        raise CheckpointError(f"'{path.name}' is not a checkpoint.")
    try:
        content = _checked(read_json(path / STATE_FILE, _LARGEST_STATE), step=int(match[1]))
    except FileNotFoundError:
        raise CheckpointError(f"{path.name} is incomplete.") from None
    except RunError as error:
        raise CheckpointError(f"{path.name} is damaged: {error.message}", hint=error.hint) from error
    files = {name: FileDigest(entry["size"], entry["sha256"]) for name, entry in content["files"].items()}
    for name, digest in files.items():
        if (problem := _misfit(path / name, digest)) is not None:
            raise CheckpointError(f"{path.name} is damaged: {problem}.")
    size = sum(digest.size for digest in files.values())
    try:
        state = RunState.from_json(content["state"])
    except MismatchError as error:
        raise CheckpointError(f"{path.name} is damaged: in {STATE_FILE}, {error}.") from error
    return SavedCheckpoint(path.name, path, content["step"], content["serial"], size, files, state)


def complete_checkpoints(folder: Path) -> list[SavedCheckpoint]:
    """Every complete checkpoint, the newest first. A missing folder has none.

    Raises CheckpointError for a folder that may not be looked into.
    """
    found = []
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CheckpointError(f"'{folder}' cannot be read: {error.strerror or error}.") from error
    for name in names:
        with contextlib.suppress(CheckpointError):
            found.append(open_folder(folder / name))
    return sorted(found, key=lambda checkpoint: checkpoint.serial, reverse=True)


def newest_checkpoint(folder: Path) -> SavedCheckpoint | None:
    """The newest complete checkpoint; None where there is none, or none may be looked at."""
    with contextlib.suppress(CheckpointError):
        return next(iter(complete_checkpoints(folder)), None)
    return None


def pointers_in(folder: Path) -> dict[str, str]:
    """Pointer name to folder name, for every readable pointer. Where it points may be gone."""
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _POINTER_NAME.fullmatch(name) and (target := read_pointer(folder, name)) is not None:
                found[name] = target
    return found


def read_pointer(folder: Path, pointer: str) -> str | None:
    """The folder name a pointer holds, or None where it is missing or holds something else."""
    try:
        target = read_bounded(folder / pointer, 256).decode("ascii").strip()
    except (FileNotFoundError, RunError, UnicodeDecodeError):
        return None
    return target if _FOLDER_NAME.fullmatch(target) else None


def require_room_for_pointers(folder: Path) -> None:
    """Raise CheckpointError where a folder stands in the place of a pointer that a training writes."""
    for name in POINTERS:
        if os.path.isdir(folder / name):
            raise CheckpointError(
                f"'{folder / name}' is a folder; a file that points to a checkpoint belongs there.",
                hint="Move it away; the checkpoints themselves are not touched.",
            )


def write_pointer(folder: Path, pointer: str, target: str) -> None:
    """Make `pointer` mean the checkpoint folder `target`. Raises StorageError."""
    assert _POINTER_NAME.fullmatch(pointer) and _FOLDER_NAME.fullmatch(target), (pointer, target)
    replace_file(folder / pointer, [f"{target}\n".encode()], f"the pointer '{pointer}'")


def prune_folder(folder: Path, keep: int) -> list[str]:
    """Remove the oldest complete checkpoints until `keep` are left, and return their names.

    What a pointer of any name points to stays, whatever its age, so `pinned` or `before-growth`
    pin a checkpoint; so does the newest. Damaged folders stay for a person to look at. Raises
    OSError.
    """
    pointed = set(pointers_in(folder).values())
    removed = []
    for checkpoint in complete_checkpoints(folder)[max(keep, 1) :]:
        if checkpoint.name not in pointed:
            # Renamed first: a removal that is interrupted must not leave half a checkpoint under its name.
            doomed = folder / f"{TEMPORARY_PREFIX}removed-{checkpoint.name}"
            os.rename(checkpoint.path, doomed)
            removed.append(checkpoint.name)
            remove_entry(doomed)
    if removed:
        sync_directory(folder)
    return removed


def _checked(content: Any, step: int) -> JsonObject:
    """What `state.json` holds, as this version of rlm has it. Raises RunError where it is damaged."""
    require_known(STATE_FILE, content)
    stated = content.pop("checksum", None) if isinstance(content, dict) else None
    try:
        intact = isinstance(stated, str) and stated == _checksum(content)
    except RecursionError:  # nested beyond what anything of ours is
        intact = False
    if not intact:
        raise RunError(f"{STATE_FILE} is not what was written.")
    content = migrated(STATE_FILE, content)
    files = content.get("files")
    sound = (
        content.get("step") == step
        and type(content.get("serial")) is int
        and isinstance(content.get("state"), dict)
        and isinstance(files, dict)
        and set(files) == {MODEL_FILE, TRAINING_FILE}
        and all(_is_digest(entry) for entry in files.values())
    )
    if not sound:
        raise RunError(f"{STATE_FILE} is not a checkpoint's.")
    assert isinstance(content, dict)
    return content


def _is_digest(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("size")) is int and isinstance(entry.get("sha256"), str)


def _misfit(path: Path, digest: FileDigest) -> str | None:
    try:
        status = path.lstat()
    except OSError:
        return f"{path.name} is missing"
    if not stat.S_ISREG(status.st_mode):
        return f"{path.name} is not a plain file"
    return (
        None if status.st_size == digest.size else f"{path.name} has {status.st_size} of {digest.size} bytes"
    )


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
