"""Writes the files of a run that grew from another, all of them or none."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from data.storage import storing, sync_directory, write_file
from data.tokenizer import Tokenizer
from models.growth.parent import GENERATION_FILE
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, save_checkpoint, save_weights
from models.runs.datasets import Dataset
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.event_log import LineAppender, append_event
from models.runs.events import Event, RunFinished, RunPaused
from models.runs.new_run import staging
from models.runs.replay_samples import replay_folder
from models.runs.run import Run
from models.runs.run_config import RunConfig


@dataclass(frozen=True, kw_only=True)
class NewRunFiles:
    """The content of the new run; None or empty where the old one had none."""

    config: RunConfig
    tokenizer: Tokenizer | None
    weights: Mapping[str, Tensor] | None
    snapshot: Snapshot | None
    datasets: list[Dataset] | None
    evaluation: Evaluation | PuzzleEvaluation | None
    generation: object | None
    samples: Mapping[str, bytes]
    finished: RunFinished | None

    def write(self, run: Run) -> None:
        """Fill the folder of `run`, whose lock the caller holds. Raises StorageError."""
        with staging(run) as staged:
            self._write(staged, run)

    def _write(self, staged: Run, run: Run) -> None:
        if self.tokenizer is not None:
            with storing("the tokenizer"):
                self.tokenizer.save(staged.tokenizer_path)
        if self.datasets is not None:
            staged.save_datasets(self.datasets)
        if self.evaluation is not None:
            staged.save_evaluation(self.evaluation)
        if self.generation is not None:
            staged.write_json(GENERATION_FILE, self.generation)
        if self.samples:
            with storing("the replay samples of earlier texts"):
                replay_folder(staged).mkdir()
                for name, content in self.samples.items():
                    write_file(replay_folder(staged) / name, [content])
                sync_directory(replay_folder(staged))
        metadata = weights_metadata(self.tokenizer, self.config)
        if self.weights is not None:
            save_weights(staged, self.weights, metadata)
        if self.snapshot is not None:
            is_best = self.snapshot.state.counters.best_step == self.snapshot.step
            pointers = ("latest", "best") if is_best else ("latest",)
            save_checkpoint(staged, self.snapshot, pointers=pointers, metadata=metadata, keep=None)
        for event in self._events(run):
            with LineAppender(staged.events_path) as log:
                append_event(log, event)
        staged.save_config(self.config)

    def _events(self, run: Run) -> Iterator[Event]:
        """The final event of the training so far, with the new run's name."""
        if self.snapshot is None:
            return
        if self.finished is not None:
            parameters = self.config.parameters or 0
            yield dataclasses.replace(self.finished, run=run.name, parameters=parameters, path=str(run.path))
            return
        last_step = self.snapshot.state.schedule.last_step
        yield RunPaused(step=self.snapshot.step, total_steps=last_step, path=str(run.path))
