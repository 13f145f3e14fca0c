"""The weights that a run keeps ready to use: what travels with them, and how they are restored."""

import json
import math
from collections.abc import Generator

import torch

from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.errors import CheckpointError
from models.runs.checkpoint import load_checkpoint, load_weights, save_weights
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.events import Event, NoticeGiven
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import load_run_tokenizer


def weights_metadata(tokenizer: Tokenizer | None, config: RunConfig) -> dict[str, str]:
    """What travels inside a weights file: enough to use it without the run's other files.

    A model of puzzles has no tokenizer.
    """
    copy = {} if tokenizer is None else {"tokenizer": tokenizer.to_json()}
    return {"format": "rlm", **copy, "config": json.dumps(config.model.dials)}


def restore_best_weights(run: Run, config: RunConfig) -> Generator[Event, None, int | None]:
    """Write a lost or damaged model.safetensors again, from the best checkpoint, else from the newest.

    Returns the step of the restored weights, or None where there was nothing to restore: the file is
    intact, or no weights were found best yet. The caller holds the run's lock. Raises CheckpointError,
    StorageError, TokenizerError.
    """
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or not math.isfinite(newest.state.counters.best_loss):
        return None
    try:
        load_weights(run.weights_path)
        return None
    except CheckpointError:
        problem = "damaged" if run.weights_path.is_file() else "gone"
    snapshot, notes = load_checkpoint(run, "best")
    for note in notes:
        yield NoticeGiven(message=note)
    model_config = model_config_of(run, config)
    require_matching_shapes(model_config, snapshot.model, f"The checkpoint of step {snapshot.step}")
    tokenizer = None if config.solves_puzzles else load_run_tokenizer(run, config, model_config.vocab_size)[0]
    model = build_model(model_config)
    model.load_state_dict(snapshot.model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(snapshot.training.get(f"average.{name}", parameter))
    save_weights(run, model.state_dict(), weights_metadata(tokenizer, config))
    yield NoticeGiven(
        message=f"The weights of run '{run.name}' were {problem}; "
        f"those of step {snapshot.step} took their place."
    )
    return snapshot.step
