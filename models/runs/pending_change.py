"""A change of what a run is that was committed, and whose files are perhaps not all written yet.

`models/growth/transaction.py` commits such a change, and finishes it.
"""

import contextlib
import json

from models.errors import RunError
from models.runs.checkpoint_folder import SavedCheckpoint, newest_checkpoint
from models.runs.datasets import DATASETS_FILE, Dataset, datasets_from_json
from models.runs.migrations import migrated
from models.runs.run import Run
from models.runs.run_names import CONFIG_FILE
from models.runs.run_config import ModelSection, RunConfig
from models.runs.typed_json import MismatchError
from models.runs.weights_file import metadata_of


def pending_change(run: Run, config: RunConfig) -> SavedCheckpoint | None:
    """The checkpoint that holds a change which the run's files do not all show yet, or None."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or newest.state.revision <= config.revision or newest.state.config is None:
        return None
    return newest


def config_after(change: SavedCheckpoint) -> RunConfig:
    """The run's configuration once a change is finished. Raises RunError where it is damaged."""
    try:
        return RunConfig.from_json(migrated(CONFIG_FILE, change.state.config, change.path))
    except MismatchError as error:
        raise RunError(f"'{change.path}' is damaged: {error}.") from error


def datasets_after(change: SavedCheckpoint) -> list[Dataset]:
    """The run's texts once a change is finished. Raises RunError where they are damaged."""
    try:
        return datasets_from_json(migrated(DATASETS_FILE, change.state.datasets, change.path))
    except MismatchError as error:
        raise RunError(f"'{change.path}' is damaged: {error}.") from error


def config_of_weights(run: Run, config: RunConfig) -> RunConfig:
    """`config`, or that of a pending change where the run's weights are already those after it."""
    change = pending_change(run, config)
    if change is None:
        return config
    after = config_after(change)
    return after if model_in_weights(run) == after.model else config


def model_in_weights(run: Run) -> ModelSection | None:
    """The model that the run's weights file describes; None where it describes none."""
    with contextlib.suppress(ValueError, KeyError, MismatchError):
        section = json.loads(metadata_of(run.weights_path)["config"])
        return RunConfig.from_json(migrated(CONFIG_FILE, {"model": section})).model
    return None
