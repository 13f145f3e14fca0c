"""A run that another one grows from: everything that the new run takes over, read under the lock."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from data.storage import digest_of, storing
from data.tokenizer import Tokenizer
from models.architectures import build_model
from models.config import ModelConfig
from models.errors import CheckpointError, RunError
from models.growth.axes import sizes
from models.growth.transaction import recover
from models.runs.checkpoint import Snapshot, has_checkpoints, load_checkpoint, load_weights
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.datasets import DATASETS_FILE, Dataset
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.events import RunFinished, RunPaused, RunStarted
from models.runs.lock import holding_lock_to_read
from models.runs.read_files import read_bounded
from models.runs.replay_samples import replay_folder
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import load_run_tokenizer

GENERATION_FILE = "generation_config.json"
_LARGEST_SAMPLE = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Parent:
    """`weights` are the best ones, `snapshot` is the newest checkpoint. A run may have neither yet."""

    run: Run
    config: RunConfig
    model: ModelConfig
    tokenizer: Tokenizer | None
    weights: dict[str, Tensor] | None
    weights_sha256: str | None
    snapshot: Snapshot | None
    datasets: list[Dataset] | None
    evaluation: Evaluation | PuzzleEvaluation | None
    generation: object | None
    """The content of generation_config.json."""
    samples: Mapping[str, bytes] = field(repr=False)
    """The files of its replay folder."""
    finished: RunFinished | None
    """Its final event, where that is of the same step as the checkpoint."""
    notes: tuple[str, ...]

    @property
    def closed_axes(self) -> tuple[str, ...]:
        """The axes that only a text can let this run grow along: new characters come with one."""
        return () if self.tokenizer is None or self.tokenizer.kind != "character" else ("vocab",)

    @property
    def open_sizes(self) -> dict[str, int]:
        """The present size along each axis that the run can grow along."""
        return {axis: size for axis, size in sizes(self.model).items() if axis not in self.closed_axes}

    @property
    def seed(self) -> int:
        return self.config.training_config().seed

    def weight_sets(self) -> list[Mapping[str, Tensor]]:
        """The best weights and those of the checkpoint; initial ones where the model was never trained."""
        both = [self.weights, None if self.snapshot is None else self.snapshot.model]
        found: list[Mapping[str, Tensor]] = [weights for weights in both if weights is not None]
        if found:
            return found
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return [build_model(self.model).state_dict()]


def read_parent(run: Run) -> Parent:
    """All of `run`, read under its lock. An interrupted change of it is finished first.

    Raises RunBusyError, and RunError, CheckpointError or TokenizerError where a part is damaged.
    """
    with holding_lock_to_read(run.path):
        config = recover(run)
        model = model_config_of(run, config)
        tokenizer, note = _tokenizer(run, config, model.vocab_size)
        notes = [] if note is None else [note]
        snapshot = None
        if has_checkpoints(run):
            snapshot, checkpoint_notes = load_checkpoint(run)
            require_matching_shapes(model, snapshot.model, f"The checkpoint of step {snapshot.step}")
            notes += checkpoint_notes
        weights, sha256 = _weights(run, config, model, snapshot)
        if snapshot is None and weights is not None and config.data is not None:
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
            datasets=run.datasets(config) if (run.path / DATASETS_FILE).exists() else None,
            evaluation=run.evaluation(),
            generation=run.read_json(GENERATION_FILE),
            samples=_samples(replay_folder(run)),
            finished=_final_event(run, snapshot),
            notes=tuple(notes),
        )


def _tokenizer(run: Run, config: RunConfig, vocab_size: int) -> tuple[Tokenizer | None, str | None]:
    """The tokenizer and a note; None for puzzles and for a model that was created without a tokenizer."""
    created_without = config.data is None and config.tokenizer_hash is None
    if config.solves_puzzles or created_without:
        return None, None
    return load_run_tokenizer(run, config, vocab_size)


def _weights(
    run: Run, config: RunConfig, model: ModelConfig, snapshot: Snapshot | None
) -> tuple[dict[str, Tensor] | None, str | None]:
    """The best weights and the SHA-256 of their file."""
    if run.weights_path.is_file():
        weights, _ = load_weights(run.weights_path)
        require_matching_shapes(model, weights, f"The model.safetensors of run '{run.name}'")
        with storing("the hash of the weights"):
            return weights, digest_of(run.weights_path).sha256
    if snapshot is None and config.data is None:
        raise RunError(
            f"Run '{run.name}' has lost its weights.", hint="Train a model in its place: {train FILE}"
        )
    if snapshot is not None and math.isfinite(snapshot.state.counters.best_loss):
        raise CheckpointError(
            f"The model.safetensors of run '{run.name}' is missing.",
            hint=f"Make it again from the newest checkpoint: {{resume {run.in_command}}}",
        )
    return None, None


def _samples(folder: Path) -> dict[str, bytes]:
    """The files of a replay folder. One that cannot be read is made again when it is needed."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found[path.name] = read_bounded(path, _LARGEST_SAMPLE)
        except (FileNotFoundError, RunError):
            continue
    return found


def _final_event(run: Run, snapshot: Snapshot | None) -> RunFinished | None:
    """The last event, where the run finished at the step of `snapshot`."""
    last = None
    for event in run.events():
        if isinstance(event, RunStarted | RunPaused | RunFinished):
            last = event
    if not isinstance(last, RunFinished) or snapshot is None:
        return None
    return last if last.step == snapshot.step else None
