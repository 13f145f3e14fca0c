"""What differs between learning text and learning puzzles, behind one protocol.

A task holds what is learned from and what is held out. The loop (models/training/trainer.py) and the
session know no more of it than this. To add a task: a module with `open_task`, and a line in TASKS.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from data.tokenizer import Tokenizer
from models.config import TrainingConfig
from models.depth import Depth, sample_depth
from models.recursive_lm import RecursiveLM
from models.runs.datasets import Dataset
from models.runs.events import Event, RunFinished
from models.runs.run import Run
from models.runs.run_config import PROBLEMS, PUZZLES, Calibration, RunConfig

if TYPE_CHECKING:
    from models.training.length import Length
    from models.training.session import Session
    from models.training.time_budget import TimeBudget

TASKS: Mapping[str, str] = {
    "text": "models.training.text_data",
    PUZZLES: "models.training.puzzles.task",
    PROBLEMS: "models.training.problems.task",
}
"""The module of each task; its `open_task` opens it."""


@dataclass(frozen=True, slots=True)
class BatchLoss:
    """The mean loss of a batch in nats per token, the mean recursions per token, and the sequences drawn."""

    loss: float
    passes: float
    drawn: int


def shallow_then_sampled(session: "Session", step: int) -> Depth:
    """The depth of the step after `step` steps: the least one early on where the configuration says so, then
    sampled ones."""
    config = session.config
    if session.schedule.progress(step) < config.shallow_fraction:
        return Depth(1)
    return sample_depth(session.model.trained_depth, config.seed, step, config.full_depth_prob)


class Sampler(Protocol):
    """An endless sequence of training sequences, each a function of its position."""

    @property
    def context_length(self) -> int:
        """Tokens of a sequence."""

    @property
    def blocks_per_epoch(self) -> int:
        """Sequences in one pass over the data."""

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, …) int64: the sequences number `position` to `position` + B - 1 of all ever drawn."""


class Task(Protocol):
    """What a model learns, and how well it does."""

    datasets: list[Dataset]
    """What datasets.json says now."""

    @property
    def sampler(self) -> Sampler:
        """The sequences to learn from."""

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer that travels in the weights file; puzzles have none."""

    @property
    def train_tokens(self) -> int:
        """Tokens to learn from; for puzzles, cells."""

    @property
    def validation_tokens(self) -> int:
        """Tokens held out; for puzzles, cells."""

    @property
    def characters_per_token(self) -> float:
        """Of the text, on average."""

    def calibrate(
        self, model: RecursiveLM, config: TrainingConfig, threads: int, length: "Length"
    ) -> Generator[Event, None, Calibration]:
        """Try steps with a copy of `model`, and choose what the configuration leaves open."""

    def depth_at(self, session: "Session", step: int) -> Depth:
        """The depth that the training step after `step` steps uses."""

    def backward(self, session: "Session", depth: Depth) -> BatchLoss:
        """Accumulate the gradients of the next batch, micro-batch by micro-batch.

        Nothing else changes, so it can be tried again where memory ran out (a RuntimeError).
        """

    def begin(self, session: "Session") -> Generator[Event, None, bool]:
        """What happens before the first step; it can be left, and is then done again. Returns True."""

    def evaluate(self, session: "Session") -> Iterator[Event]:
        """Evaluate the weights on a part of what is held out, write a sample where one is due, and keep
        the weights if they are the best. Ends early, with nothing done, where a pause is wanted."""

    def sample(self, session: "Session") -> Iterator[Event]:
        """Write a sample now, between two evaluations; puzzles have none."""

    def after_step(self, session: "Session", drawn: int) -> Iterator[Event]:
        """What there is to tell after a step that drew so many sequences; most tasks tell nothing."""

    def finish(self, session: "Session") -> Generator[Event, None, RunFinished]:
        """Evaluate the best weights on all that is held out, and write evaluation.json, which says that
        the run is finished. The last event is RunFinished, and is returned."""

    def reserve_s(self, budget: "TimeBudget", progress: float, left_s: float) -> float:
        """Seconds to keep for what is not a step, of the `left_s` from `progress` (0 to 1) to the end."""

    def max_step(self, config: TrainingConfig) -> int | None:
        """The step at which the data were read as often as the configuration allows; None for no limit."""

    def tensors(self) -> dict[str, Tensor]:
        """What the next step depends on besides model and optimizer, by name, for a checkpoint."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `tensors` gave. Raises KeyError or RuntimeError where it does not fit."""


def open_task(
    run: Run, config: RunConfig, training: TrainingConfig, layout: RecursiveLM, device: torch.device
) -> Generator[Event, None, tuple[Task, RunConfig]]:
    """The task of a run, its data opened, and the run's configuration with what changed on the way.

    `layout` is the model on the meta device.

    Raises CorpusError where the data are gone or have changed, CheckpointError, TokenizerError.
    """
    kind = config.data.kind if config.data is not None else "text"
    opened: tuple[Task, RunConfig] = yield from import_module(TASKS.get(kind, TASKS["text"])).open_task(
        run, config, training, layout, device
    )
    return opened
