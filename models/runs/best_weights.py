"""The weights a run keeps ready to use, taken from a checkpoint again where their file is gone."""

import json
import math
from collections.abc import Generator, Mapping
from typing import Any

import torch

from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.errors import CheckpointError
from models.runs.checkpoint import load_checkpoint, load_weights, save_weights
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.compatibility import described_model, require_fit
from models.runs.events import Event, NoticeGiven
from models.runs.run import Run
from models.runs.task import solves_puzzles
from models.runs.tokenizer import load_run_tokenizer


def weights_metadata(tokenizer: Tokenizer | None, config: Mapping[str, Any]) -> dict[str, str]:
    """What travels inside a weights file: enough to use it without the run's other files.

    A model of puzzles has no tokenizer.
    """
    copy = {} if tokenizer is None else {"tokenizer": tokenizer.to_json()}
    return {"format": "rlm", **copy, "config": json.dumps(config["model"])}


def restore_kept_weights(run: Run) -> Generator[Event, None, int | None]:
    """Write a lost or damaged model.safetensors again, from the best checkpoint, else from the newest.

    Returns the step whose weights are kept now, or None where nothing was to be done: the file is
    sound, or nothing was worth keeping yet. The caller holds the run's lock. Raises
    CheckpointError, StorageError, TokenizerError.
    """
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or not _has_kept(newest.state):
        return None
    try:
        load_weights(run.weights_path)
        return None
    except CheckpointError:
        what = "damaged" if run.weights_path.is_file() else "gone"
    snapshot, notes = load_checkpoint(run, "best")
    for note in notes:
        yield NoticeGiven(message=note)
    config = run.read_config()
    described = described_model(run, config)
    require_fit(described, snapshot.model, f"The checkpoint of step {snapshot.step}")
    tokenizer = None if solves_puzzles(config) else load_run_tokenizer(run, config, described.vocab_size)[0]
    model = build_model(described)
    model.load_state_dict(snapshot.model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(snapshot.training.get(f"average.{name}", parameter))
    save_weights(run, model.state_dict(), weights_metadata(tokenizer, config))
    yield NoticeGiven(
        message=f"The weights of run '{run.name}' were {what}; "
        f"those of step {snapshot.step} took their place."
    )
    return snapshot.step


def _has_kept(state: Mapping[str, Any]) -> bool:
    """Whether weights had been found best by then."""
    counters = state.get("counters")
    best = counters.get("best_loss") if isinstance(counters, dict) else None
    return isinstance(best, float) and math.isfinite(best)
