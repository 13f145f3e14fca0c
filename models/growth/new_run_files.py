"""The files of a run that grew from another, written so that there is all of it or nothing.

They are made in a folder inside the new one whose name says that it is temporary: a folder that
holds no more than that is one nobody misses, and the next expansion of that name takes it over.
Then they are moved to their places, config.json last, which is what makes it a run.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from data.storage import storing, sync_directory, write_file
from data.tokenizer import Tokenizer
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, save_checkpoint, save_weights
from models.runs.event_log import LineAppender, append_event
from models.runs.events import Event, RunFinished, RunPaused
from models.runs.incomplete import NURSERY
from models.runs.replay_samples import replay_folder
from models.runs.run import CONFIG_FILE, Run


@dataclass(frozen=True, kw_only=True)
class Newborn:
    """What the new run begins with; None or empty where the old one had none."""

    config: Mapping[str, Any]
    tokenizer: Tokenizer | None
    weights: Mapping[str, Tensor] | None
    snapshot: Snapshot | None
    files: Mapping[str, Any]
    samples: Mapping[str, bytes]
    finished: RunFinished | None

    def write(self, run: Run) -> None:
        """Fill the folder of `run`, whose lock the caller holds. Raises StorageError."""
        nursery = run.path / NURSERY
        unborn = Run(nursery / run.name)
        with storing(f"run '{run.name}'"):
            nursery.mkdir()
            unborn.path.mkdir()
        self._write(unborn, run)
        with storing(f"run '{run.name}'"):
            names = sorted(os.listdir(unborn.path), key=lambda name: name == CONFIG_FILE)
            for name in names:
                os.rename(unborn.path / name, run.path / name)
            sync_directory(run.path)
            unborn.path.rmdir()
            nursery.rmdir()

    def _write(self, unborn: Run, run: Run) -> None:
        if self.tokenizer is not None:
            with storing("the tokenizer"):
                self.tokenizer.save(unborn.tokenizer_path)
        for name, value in self.files.items():
            unborn.write_json(name, value)
        if self.samples:
            with storing("what is replayed of earlier texts"):
                replay_folder(unborn).mkdir()
                for name, content in self.samples.items():
                    write_file(replay_folder(unborn) / name, [content])
                sync_directory(replay_folder(unborn))
        metadata = weights_metadata(self.tokenizer, self.config)
        if self.weights is not None:
            save_weights(unborn, self.weights, metadata)
        if self.snapshot is not None:
            counters = self.snapshot.state.get("counters", {})
            is_best = counters.get("best_step") == self.snapshot.step
            pointers = ("latest", "best") if is_best else ("latest",)
            save_checkpoint(unborn, self.snapshot, pointers=pointers, metadata=metadata, keep=None)
        for event in self._events(run):
            with LineAppender(unborn.events_path) as log:
                append_event(log, event)
        unborn.write_config(self.config)

    def _events(self, run: Run) -> Iterator[Event]:
        """The last word about the training so far, in the new run's name."""
        if self.snapshot is None:
            return
        if self.finished is not None:
            parameters = self.config["parameters"]
            yield dataclasses.replace(self.finished, run=run.name, parameters=parameters, path=str(run.path))
            return
        last_step = self.snapshot.state.get("schedule", {}).get("last_step", 0)
        yield RunPaused(step=self.snapshot.step, total_steps=last_step, path=str(run.path))
