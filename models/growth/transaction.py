"""How a run changes what it is, in one step: a second corpus, more vocabulary, more blocks.

A run's files say the same thing in several places: config.json what the model is, tokenizer.json
its vocabulary, model.safetensors its kept weights, datasets.json what it knows. They cannot all
be replaced at once. So the change is one checkpoint of a later `revision`, which holds all of it,
and exists from one rename on. Whoever finds that checkpoint newer than config.json puts the files
after it, as often as it takes, config.json last. A kill leaves the old run or the new one.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from data.errors import StorageError
from data.storage import require_space, storing, sync_directory
from data.tokenizer import Tokenizer, tokenizer_from_json
from models.errors import CheckpointError
from models.growth.weights import grow_weights
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, load_weights, save_checkpoint, save_weights
from models.runs.checkpoint_folder import MODEL_FILE, SavedCheckpoint, newest_checkpoint, write_pointer
from models.runs.compatibility import described_model, require_fit
from models.runs.datasets import DATASETS_FILE, Dataset
from models.runs.migrations import migrated, stamped
from models.runs.run import CONFIG_FILE, Run
from models.runs.tensor_file import file_size
from models.runs.weights_file import metadata_of

_POINTERS = ("latest", "best")
_ALLOWANCE = 4 << 20
"""Bytes for everything but tensors."""


def revision_of(config: Mapping[str, Any]) -> int:
    """How often the run has changed what it is: 0 for one that learned one text and never grew."""
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
    """Make the run what `snapshot` and `config` say, whole or not at all.

    Where the snapshot begins with another text, its weights are the ones to keep too, and what was
    judged before counts no more; else the kept weights grow as the model did. `datasets` is the new
    datasets.json. The caller holds the run's
    lock. Raises StorageError: the run is as it was, or, where its hint says so, the change is
    made and will be finished by whoever opens the run next.
    """
    size = 2 * file_size(snapshot.model, {}) + file_size(snapshot.training, {})
    with storing(f"the change of run '{run.name}'"):
        require_space(run.path, size + _ALLOWANCE, f"the change of run '{run.name}'")
    change = {
        "revision": revision_of(config),
        "config": stamped(CONFIG_FILE, config),
        "datasets": stamped(DATASETS_FILE, datasets),
    }
    begun = Snapshot(snapshot.step, snapshot.model, snapshot.training, {**snapshot.state, **change})
    save_checkpoint(run, begun, pointers=_POINTERS, metadata=weights_metadata(tokenizer, config))
    try:
        catch_up(run)
    except StorageError as error:
        error.hint = f"The change is made, and nothing is lost. Make room, then: rlm resume {run.name}"
        raise


def pending_change(run: Run, config: Mapping[str, Any]) -> SavedCheckpoint | None:
    """The checkpoint whose change the run's files do not all tell of yet, or None."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or revision_of(newest.state) <= revision_of(config):
        return None
    return newest if isinstance(newest.state.get("config"), dict) else None


def config_after(change: SavedCheckpoint) -> dict[str, Any]:
    """What config.json says once a change is finished."""
    config: dict[str, Any] = migrated(CONFIG_FILE, change.state["config"], change.path)
    return config


def kept_model(run: Run) -> Any | None:
    """What the kept weights say of their model, as config.json would; None where they do not."""
    with contextlib.suppress(ValueError, KeyError):
        return json.loads(metadata_of(run.weights_path)["config"])
    return None


def catch_up(run: Run) -> None:
    """Finish a change that was committed, and perhaps interrupted. The caller holds the lock.

    Raises StorageError, CheckpointError.
    """
    config = run.read_config()
    change = pending_change(run, config)
    if change is None:
        return
    for pointer in _POINTERS:
        write_pointer(run.checkpoints_path, pointer, change.name)
    wanted = config_after(change)
    weights, metadata = load_weights(change.path / MODEL_FILE)
    tokenizer = tokenizer_from_json(metadata["tokenizer"]) if "tokenizer" in metadata else None
    if change.state.get("begins"):
        save_weights(run, weights, weights_metadata(tokenizer, wanted))
        _forget_judgement(run)
    else:
        _grow_kept_weights(run, wanted, tokenizer)
    run.write_json(DATASETS_FILE, migrated(DATASETS_FILE, change.state["datasets"], change.path))
    if tokenizer is not None:
        with storing("the tokenizer"):
            tokenizer.save(run.tokenizer_path)
    run.write_config(wanted)


def _grow_kept_weights(run: Run, config: Mapping[str, Any], tokenizer: Tokenizer | None) -> None:
    """Bring the kept weights to the size of the model, where there are any; sound ones stay."""
    if not run.weights_path.is_file():
        return
    new = described_model(run, config)
    weights, metadata = load_weights(run.weights_path)
    with contextlib.suppress(CheckpointError):
        require_fit(new, weights, "The kept weights")
        return
    old = described_model(run, {"model": json.loads(metadata["config"])})
    save_weights(run, grow_weights(old, new, weights), weights_metadata(tokenizer, config))


def _forget_judgement(run: Run) -> None:
    """evaluation.json tells of another text; a new one comes when this one is learned."""
    with storing("evaluation.json"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(run.path / "evaluation.json")
        sync_directory(run.path)
