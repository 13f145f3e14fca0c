"""What a run is now, read without writing: a change that was interrupted counts as finished."""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from data.tokenizer import Tokenizer, tokenizer_from_json
from models.config import ModelConfig
from models.errors import CheckpointError
from models.growth.initial_snapshot import has_no_steps_yet
from models.growth.transaction import config_after, grown_best_weights, pending_change
from models.runs.checkpoint import Snapshot, load_checkpoint, load_weights
from models.runs.checkpoint_folder import MODEL_FILE, SavedCheckpoint, newest_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.datasets import DATASETS_FILE, Dataset, read_datasets
from models.runs.events import Event, NoticeGiven
from models.runs.migrations import migrated
from models.runs.run import Run
from models.runs.tokenizer import load_run_tokenizer
from models.runs.weights_file import metadata_of


@dataclass(frozen=True, kw_only=True)
class RunContent:
    """A run with its weights and what it knows."""

    run: Run
    stored: Mapping[str, Any]
    """The configuration as its file has it."""
    serial: int
    """Of the newest checkpoint; 0 where there is none."""
    change: SavedCheckpoint | None
    """One that holds a change which was interrupted."""
    config: Mapping[str, Any]
    """The configuration once that change is finished."""

    @property
    def model(self) -> ModelConfig:
        """Its model. Raises CheckpointError where the configuration describes none."""
        return model_config_of(self.run, self.config)

    def is_current(self) -> bool:
        """Whether nobody has changed or trained the run since this was read."""
        return (self.run.read_config(), _serial(self.run)) == (self.stored, self.serial)

    def datasets(self) -> list[Dataset]:
        """The texts it knows, the one it is at among them. Raises RunError."""
        if self.change is None:
            return read_datasets(self.run)
        found: list[Dataset] = migrated(DATASETS_FILE, self.change.state["datasets"], self.change.path)
        return found

    def tokenizer(self) -> tuple[Tokenizer, str | None]:
        """Its tokenizer, and a sentence for the user where it is not the one in tokenizer.json. Raises
        TokenizerError."""
        if self.change is not None and (text := metadata_of(self.change.path / MODEL_FILE).get("tokenizer")):
            return tokenizer_from_json(text), None
        return load_run_tokenizer(self.run, self.config, self.model.vocab_size)

    def newest(self) -> Snapshot:
        """Its newest checkpoint. Raises CheckpointError where that is not of its model."""
        snapshot, _ = load_checkpoint(self.run)
        require_matching_shapes(self.model, snapshot.model, f"The checkpoint of step {snapshot.step}")
        return snapshot

    def best_weights(self, newest: Snapshot) -> Generator[Event, None, dict[str, Tensor]]:
        """Its best weights, or those of its newest checkpoint where none of its text were judged yet.

        Where the file is lost or damaged, the best checkpoint gives them. Raises CheckpointError.
        """
        if has_no_steps_yet(newest):
            return dict(newest.model)
        if not math.isfinite(newest.state["counters"]["best_loss"]):
            return _averaged(newest)
        try:
            if self.change is not None and (grown := grown_best_weights(self.run, self.config)) is not None:
                return dict(grown)
            weights, _ = load_weights(self.run.weights_path)
        except CheckpointError:
            what = "damaged" if self.run.weights_path.is_file() else "gone"
        else:
            require_matching_shapes(self.model, weights, f"The model.safetensors of run '{self.run.name}'")
            return weights
        best, notes = (newest, []) if self.change is not None else load_checkpoint(self.run, "best")
        for note in notes:
            yield NoticeGiven(message=note)
        require_matching_shapes(self.model, best.model, f"The checkpoint of step {best.step}")
        yield NoticeGiven(
            message=f"The weights of run '{self.run.name}' are {what}; "
            f"those of step {best.step} take their place."
        )
        return _averaged(best)


def read_content(run: Run) -> RunContent:
    """What `run` is now. Raises RunError."""
    stored = run.read_config()
    change = pending_change(run, stored)
    config = stored if change is None else config_after(change)
    return RunContent(run=run, stored=stored, serial=_serial(run), change=change, config=config)


def _serial(run: Run) -> int:
    newest = newest_checkpoint(run.checkpoints_path)
    return 0 if newest is None else newest.serial


def _averaged(snapshot: Snapshot) -> dict[str, Tensor]:
    """The weights of a checkpoint, each averaged over steps where the training averages them."""
    return {name: snapshot.training.get(f"average.{name}", value) for name, value in snapshot.model.items()}
