"""Changes a run in one step: to a second corpus, a larger vocabulary, more blocks.

A change concerns several files: config.json, tokenizer.json, model.safetensors and datasets.json. They
cannot be replaced all at once. So the change is first written as one checkpoint with a higher `revision`,
which holds all of it and appears by one rename. `recover` then brings the files up to it, config.json last,
and can be repeated after any interruption. A kill leaves the old run or the new one.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from data.tokenizer import Tokenizer, tokenizer_from_json
from models.errors import CheckpointError, StorageError
from models.growth.weights import grow_weights
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, load_weights, save_checkpoint, save_weights
from models.runs.checkpoint_folder import MODEL_FILE, SavedCheckpoint, newest_checkpoint, write_pointer
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.datasets import DATASETS_FILE, Dataset
from models.runs.migrations import migrated, stamped
from models.runs.run import CONFIG_FILE, Run
from models.runs.storage import require_space, storing, sync_directory
from models.runs.tensor_file import file_size
from models.runs.weights_file import metadata_of

_POINTERS = ("latest", "best")
_ALLOWANCE = 4 << 20
"""Bytes for everything but tensors."""


def revision_of(config: Mapping[str, Any]) -> int:
    """How many changes the run has had: 0 for one that was trained on one text and never grew."""
    number = config.get("revision", 0)
    return number if type(number) is int else 0


def commit(
    run: Run,
    snapshot: Snapshot,
    config: Mapping[str, Any],
    tokenizer: Tokenizer | None,
    *,
    datasets: list[Dataset],
) -> None:
    """Change the run to `snapshot`, `config`, `tokenizer` and `datasets` (datasets.json), all or nothing.

    An initial snapshot of another text also replaces the best weights and drops their evaluation; otherwise
    the best weights grow as the model did. The caller holds the run's lock. Raises StorageError: the run is
    then unchanged or, where the hint says so, changed, and the next process that opens it finishes that.
    """
    size = 2 * file_size(snapshot.model, {}) + file_size(snapshot.training, {})
    with storing(f"the change of run '{run.name}'"):
        require_space(run.path, size + _ALLOWANCE, f"the change of run '{run.name}'")
    change = {
        "revision": revision_of(config),
        "config": stamped(CONFIG_FILE, config),
        "datasets": stamped(DATASETS_FILE, datasets),
    }
    changed = Snapshot(snapshot.step, snapshot.model, snapshot.training, {**snapshot.state, **change})
    save_checkpoint(run, changed, pointers=_POINTERS, metadata=weights_metadata(tokenizer, config))
    try:
        recover(run)
    except StorageError as error:
        error.hint = f"The change is made, and nothing is lost. Make room, then: rlm resume {run.name}"
        raise


def pending_change(run: Run, config: Mapping[str, Any]) -> SavedCheckpoint | None:
    """The checkpoint of a change that the run's files do not have yet, or None."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or revision_of(newest.state) <= revision_of(config):
        return None
    return newest if isinstance(newest.state.get("config"), dict) else None


def config_after(change: SavedCheckpoint) -> dict[str, Any]:
    """The content of config.json after a change."""
    config: dict[str, Any] = migrated(CONFIG_FILE, change.state["config"], change.path)
    return config


def kept_model(run: Run) -> Any | None:
    """The model section that is stored with the best weights; None where there is none."""
    with contextlib.suppress(ValueError, KeyError):
        return json.loads(metadata_of(run.weights_path)["config"])
    return None


def recover(run: Run) -> None:
    """Finish a committed change, if one is pending. The caller holds the lock.

    Raises StorageError, CheckpointError.
    """
    config = run.read_config()
    change = pending_change(run, config)
    if change is None:
        return
    for pointer in _POINTERS:
        write_pointer(run.checkpoints_path, pointer, change.name)
    config = config_after(change)
    weights, metadata = load_weights(change.path / MODEL_FILE)
    tokenizer = tokenizer_from_json(metadata["tokenizer"]) if "tokenizer" in metadata else None
    if change.state.get("begins"):
        save_weights(run, weights, weights_metadata(tokenizer, config))
        _remove_evaluation(run)
    else:
        best = grown_best_weights(run, config)
        if best is not None:
            save_weights(run, best, weights_metadata(tokenizer, config))
    run.write_json(DATASETS_FILE, migrated(DATASETS_FILE, change.state["datasets"], change.path))
    if tokenizer is not None:
        with storing("the tokenizer"):
            tokenizer.save(run.tokenizer_path)
    run.write_config(config)


def grown_best_weights(run: Run, config: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The best weights at the size of the model of `config`; None where there are none, or they have it
    already. Raises CheckpointError where their file is damaged."""
    if not run.weights_path.is_file():
        return None
    new = model_config_of(run, config)
    weights, metadata = load_weights(run.weights_path)
    with contextlib.suppress(CheckpointError):
        require_matching_shapes(new, weights, "The best weights")
        return None
    old = model_config_of(run, {"model": json.loads(metadata["config"])})
    return grow_weights(old, new, weights)


def _remove_evaluation(run: Run) -> None:
    """Remove evaluation.json, which is of another text. A new one follows when training ends."""
    with storing("evaluation.json"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(run.path / "evaluation.json")
        sync_directory(run.path)
