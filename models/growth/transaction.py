"""Changes a run in one step: to a second corpus, a larger vocabulary, more blocks, an earlier version.

A change concerns several files: config.json, tokenizer.json, model.safetensors and datasets.json. They
cannot be replaced all at once. So the change is first written as one checkpoint with a higher `revision`,
which holds all of it and appears by one rename. `recover` then brings the files up to it, config.json last,
and can be repeated after any interruption. A kill leaves the old run or the new one.
"""

import contextlib
import dataclasses
import os
from collections.abc import Sequence

from torch import Tensor

from data.errors import StorageError
from data.storage import (
    copy_file,
    move_into_place,
    remove_entry,
    require_space,
    storing,
    sync_directory,
    temporary_beside,
)
from data.tokenizer import Tokenizer, tokenizer_from_json
from models.errors import CheckpointError
from models.growth.weights import grow_weights
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, load_weights, save_checkpoint, save_weights
from models.runs.checkpoint_folder import MODEL_FILE, write_pointer
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.datasets import DATASETS_FILE, Dataset, datasets_to_json
from models.runs.event_log import LineAppender, append_event
from models.runs.events import VersionRestored
from models.runs.lock import require_in_place
from models.runs.migrations import stamped
from models.runs.pending_change import config_after, datasets_after, model_in_weights, pending_change
from models.runs.replay_samples import replay_folder
from models.runs.run import EVALUATION_FILE, Run
from models.runs.run_config import RunConfig
from models.runs.run_folder import copy_tree
from models.runs.run_names import CONFIG_FILE
from models.runs.tensor_file import file_size

_POINTERS = ("latest", "best")
_ALLOWANCE = 4 << 20
"""Bytes for everything but tensors."""


def commit(
    run: Run,
    snapshot: Snapshot,
    config: RunConfig,
    tokenizer: Tokenizer | None,
    *,
    datasets: Sequence[Dataset],
) -> None:
    """Change the run to `snapshot`, `config`, `tokenizer` and `datasets` (datasets.json), all or nothing.

    An initial snapshot of another text also replaces the best weights and drops their evaluation. One of an
    earlier version brings back those of that version. Otherwise the best weights grow as the model did. The
    caller holds the run's lock. Raises StorageError. The
    run is then unchanged, unless the hint says that the change is made; then the next process to open
    the run finishes it.
    """
    write_change(run, snapshot, config, tokenizer, datasets=datasets)
    try:
        recover(run)
    except StorageError as error:
        error.hint = f"The change is made, and nothing is lost. Make room, then: {{resume {run.in_command}}}"
        raise


def write_change(
    run: Run,
    snapshot: Snapshot,
    config: RunConfig,
    tokenizer: Tokenizer | None,
    *,
    datasets: Sequence[Dataset],
) -> None:
    """Write the checkpoint that holds the whole change, for `recover` to bring the run's files up to it."""
    size = 2 * file_size(snapshot.model, {}) + file_size(snapshot.training, {})
    with storing(f"the change of run '{run.name}'"):
        require_space(run.path, size + _ALLOWANCE, f"the change of run '{run.name}'")
    state = dataclasses.replace(
        snapshot.state,
        revision=config.revision,
        config=stamped(CONFIG_FILE, config.to_json()),
        datasets=stamped(DATASETS_FILE, datasets_to_json(datasets)),
    )
    changed = dataclasses.replace(snapshot, state=state)
    save_checkpoint(run, changed, pointers=_POINTERS, metadata=weights_metadata(tokenizer, config))


def recover(run: Run) -> RunConfig:
    """Finish a committed change, if one is pending, and return the run's configuration then.

    The caller holds the lock. Raises StorageError, CheckpointError.
    """
    config = run.config()
    change = pending_change(run, config)
    if change is None:
        return config
    for pointer in _POINTERS:
        write_pointer(run.checkpoints_path, pointer, change.name)
    config, datasets = config_after(change), datasets_after(change)
    weights, metadata = load_weights(change.path / MODEL_FILE)
    tokenizer = tokenizer_from_json(metadata["tokenizer"]) if "tokenizer" in metadata else None
    version = None if change.state.version is None else Run(run.versions_path / change.state.version)
    if version is not None and version.path.is_dir():
        _take_over(run, version)
    elif version is not None or change.state.is_initial:
        save_weights(run, weights, weights_metadata(tokenizer, config))
        _remove_evaluation(run)
    else:
        best = grown_best_weights(run, config)
        if best is not None:
            save_weights(run, best, weights_metadata(tokenizer, config))
    run.save_datasets(datasets)
    if tokenizer is not None:
        with storing("the tokenizer"):
            tokenizer.save(run.tokenizer_path)
    run.save_config(config)
    return config


def grown_best_weights(run: Run, config: RunConfig) -> dict[str, Tensor] | None:
    """The best weights at the size of the model of `config`; None where there are none, or they have it
    already. Raises CheckpointError where their file is damaged."""
    if not run.weights_path.is_file():
        return None
    new = model_config_of(run, config)
    weights, _ = load_weights(run.weights_path)
    with contextlib.suppress(CheckpointError):
        require_matching_shapes(new, weights, "The best weights")
        return None
    model = model_in_weights(run)
    if model is None:
        raise CheckpointError(
            f"The model.safetensors of run '{run.name}' does not say which model it is of.",
            hint=f"Make it again: {{resume {run.in_command}}}",
        )
    old = model_config_of(run, dataclasses.replace(config, model=model))
    return grow_weights(old, new, weights)


def _take_over(run: Run, version: Run) -> None:
    """Give the run the best weights, the evaluation and the replay samples of a version, and its events.

    Samples of other texts go: a vocabulary that grows anew gives their tokens other numbers.
    """
    require_in_place(run.path)
    with storing(f"what version '{version.name}' has"):
        for name in (run.weights_path.name, EVALUATION_FILE):
            with temporary_beside(run.path / name) as temporary:
                if (version.path / name).exists():
                    copy_file(version.path / name, temporary, link=name == run.weights_path.name)
                    move_into_place(temporary, run.path / name)
                else:
                    (run.path / name).unlink(missing_ok=True)
        with temporary_beside(replay_folder(run)) as temporary:
            temporary.mkdir()
            if replay_folder(version).is_dir():
                copy_tree(replay_folder(version), temporary, link_tensors=True)
            if os.path.lexists(replay_folder(run)):
                remove_entry(replay_folder(run))  # a kill here: the next `recover` does all this again
            move_into_place(temporary, replay_folder(run))
    list(run.record([VersionRestored(version=version.name)]))
    with LineAppender(run.events_path) as log:
        for event in version.events():
            append_event(log, event)


def _remove_evaluation(run: Run) -> None:
    """Remove evaluation.json, which is of another text. A new one follows when training ends."""
    require_in_place(run.path)
    with storing(EVALUATION_FILE):
        with contextlib.suppress(FileNotFoundError):
            os.remove(run.path / EVALUATION_FILE)
        sync_directory(run.path)
