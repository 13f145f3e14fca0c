"""What a run is now, read without writing: a change that was interrupted counts as finished."""

import math
from collections.abc import Generator
from dataclasses import dataclass

from torch import Tensor

from data.tokenizer import Tokenizer, tokenizer_from_json
from models.architectures import skeleton
from models.config import ModelConfig
from models.errors import CheckpointError
from models.growth.initial_snapshot import has_no_steps_yet
from models.growth.transaction import grown_best_weights
from models.growth.weights import tied_names
from models.runs.checkpoint import Snapshot, load_checkpoint, load_weights
from models.runs.checkpoint_folder import MODEL_FILE, SavedCheckpoint, newest_checkpoint
from models.runs.compatibility import model_config_of, require_matching_shapes
from models.runs.datasets import Dataset, completed
from models.runs.events import Event, NoticeGiven
from models.runs.pending_change import config_after, datasets_after, pending_change
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.tokenizer import load_run_tokenizer
from models.runs.weights_file import metadata_of


@dataclass(frozen=True, kw_only=True)
class RunContent:
    """A run with its weights and what it knows."""

    run: Run
    stored: RunConfig
    """The configuration as its file has it."""
    serial: int
    """Of the newest checkpoint; 0 where there is none."""
    change: SavedCheckpoint | None
    """One that holds a change which was interrupted."""
    config: RunConfig
    """The configuration once that change is finished."""

    @property
    def model(self) -> ModelConfig:
        """Its model. Raises CheckpointError where the configuration describes none."""
        return model_config_of(self.run, self.config)

    def is_current(self) -> bool:
        """Whether nobody has changed or trained the run since this was read."""
        return (self.run.config(), _serial(self.run)) == (self.stored, self.serial)

    def datasets(self) -> list[Dataset]:
        """The texts it knows, the one it is at among them. Raises RunError."""
        if self.change is None:
            return self.run.datasets(self.config)
        return completed(datasets_after(self.change), self.config)

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
        if not math.isfinite(newest.state.counters.best_loss):
            return self._averaged(newest)
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
        return self._averaged(best)

    def _averaged(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """The weights of a checkpoint, each averaged over steps where the training averages them."""
        tied = tied_names(skeleton(self.model))  # the average of a tied head has the embedding's name
        return {
            name: snapshot.training.get(f"average.{tied.get(name, name)}", value)
            for name, value in snapshot.model.items()
        }


def read_content(run: Run) -> RunContent:
    """What `run` is now. Raises RunError."""
    stored = run.config()
    change = pending_change(run, stored)
    config = stored if change is None else config_after(change)
    return RunContent(run=run, stored=stored, serial=_serial(run), change=change, config=config)


def _serial(run: Run) -> int:
    newest = newest_checkpoint(run.checkpoints_path)
    return 0 if newest is None else newest.serial
