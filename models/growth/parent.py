"""A run that is to grow into another one: all of it that the other takes over, read at one moment."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.storage import digest_of, storing
from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.config import ModelConfig
from models.errors import CheckpointError, RunError
from models.growth.transaction import catch_up
from models.runs.checkpoint import Snapshot, has_checkpoints, load_checkpoint, load_weights
from models.runs.compatibility import described_model, require_fit
from models.runs.datasets import DATASETS_FILE
from models.runs.events import RunFinished, RunPaused, RunStarted
from models.runs.read_files import read_bounded
from models.runs.replay_samples import replay_folder
from models.runs.run import Run
from models.runs.task import solves_puzzles
from models.runs.tokenizer import load_run_tokenizer

FILES = (DATASETS_FILE, "evaluation.json", "generation_config.json")
"""What tells of the run besides config.json. Which of them is there depends on how far it came."""
_LARGEST_SAMPLE = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Parent:
    """`weights` are the kept ones and `snapshot` the newest checkpoint; a run may have neither yet."""

    run: Run
    config: dict[str, Any]
    model: ModelConfig
    tokenizer: Tokenizer | None
    weights: dict[str, Tensor] | None
    weights_sha256: str | None
    snapshot: Snapshot | None
    files: Mapping[str, Any]
    samples: Mapping[str, bytes] = field(repr=False)
    """The files of its replay folder."""
    finished: RunFinished | None
    """Its last word, where that was of the checkpoint."""
    notes: tuple[str, ...]

    @property
    def seed(self) -> int:
        seed = self.config.get("training", {}).get("seed", 0)
        return seed if type(seed) is int else 0

    def every_weights(self) -> list[Mapping[str, Tensor]]:
        """What the model's weights are: as they are kept, as they stand in the checkpoint, or, where it
        was never trained, as it would begin."""
        held = [self.weights, None if self.snapshot is None else self.snapshot.model]
        found: list[Mapping[str, Tensor]] = [weights for weights in held if weights is not None]
        if found:
            return found
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return [build_model(self.model).state_dict()]


def read_parent(run: Run) -> Parent:
    """All of `run`, under its lock. A change of it that was interrupted is finished first.

    Raises RunBusyError, and RunError, CheckpointError or TokenizerError where a part is damaged.
    """
    with run.lock():
        catch_up(run)
        config = run.read_config()
        model = described_model(run, config)
        tokenizer, note = _tokenizer(run, config, model.vocab_size)
        notes = [] if note is None else [note]
        snapshot = None
        if has_checkpoints(run):
            snapshot, said = load_checkpoint(run)
            require_fit(model, snapshot.model, f"The checkpoint of step {snapshot.step}")
            notes += said
        weights, sha256 = _weights(run, config, model, snapshot)
        if snapshot is None and weights is not None and "data" in config:
            raise CheckpointError(
                f"Run '{run.name}' has lost its checkpoints: its training cannot go on in a larger model.",
                hint="Its weights can still be used. Train a new model, or put the checkpoints back.",
            )
        return Parent(
            run=run,
            config=config,
            model=model,
            tokenizer=tokenizer,
            weights=weights,
            weights_sha256=sha256,
            snapshot=snapshot,
            files={name: value for name in FILES if (value := run.read_json(name)) is not None},
            samples=_samples(replay_folder(run)),
            finished=_last_word(run, snapshot),
            notes=tuple(notes),
        )


def _tokenizer(run: Run, config: Mapping[str, Any], vocab_size: int) -> tuple[Tokenizer | None, str | None]:
    """None for puzzles, and for a model that was created without one."""
    created_without = "data" not in config and config.get("tokenizer_hash") is None
    if solves_puzzles(config) or created_without:
        return None, None
    return load_run_tokenizer(run, config, vocab_size)


def _weights(
    run: Run, config: Mapping[str, Any], model: ModelConfig, snapshot: Snapshot | None
) -> tuple[dict[str, Tensor] | None, str | None]:
    """The kept weights and the hash of their file."""
    if run.weights_path.is_file():
        weights, _ = load_weights(run.weights_path)
        require_fit(model, weights, f"The model.safetensors of run '{run.name}'")
        with storing("the hash of the weights"):
            return weights, digest_of(run.weights_path).sha256
    if snapshot is None and "data" not in config:
        raise RunError(
            f"Run '{run.name}' has lost its weights.", hint="Train a model in its place: rlm train FILE"
        )
    best = math.inf if snapshot is None else snapshot.state.get("counters", {}).get("best_loss", math.inf)
    if math.isfinite(best):
        raise CheckpointError(
            f"The model.safetensors of run '{run.name}' is missing.",
            hint=f"Make it again from the newest checkpoint: rlm resume {run.name}",
        )
    return None, None


def _samples(folder: Path) -> dict[str, bytes]:
    """The files of a replay folder; one that cannot be read is drawn again when it is needed."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found[path.name] = read_bounded(path, _LARGEST_SAMPLE)
        except (FileNotFoundError, RunError):
            continue
    return found


def _last_word(run: Run, snapshot: Snapshot | None) -> RunFinished | None:
    last = None
    for event in run.events():
        if isinstance(event, RunStarted | RunPaused | RunFinished):
            last = event
    is_of_it = isinstance(last, RunFinished) and snapshot is not None and last.step == snapshot.step
    return last if isinstance(last, RunFinished) and is_of_it else None
