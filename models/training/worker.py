"""The other processes of a training: each one does what process 0 sends it, and decides nothing.

Process 0 reads the data, measures, plans, saves and talks to its user (models/training/team.py). A worker has
the same learner. It gets its piece of each batch, adds its gradients to those of the others, and takes the
same step; and it evaluates its part of what is held out.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

import data
import models
from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig
from models.device import prepare_process
from models.layers.compilation import uncompiled
from models.layers.initialise import no_init
from models.processes.group import ProcessGroup, noticing_lost_processes
from models.training.learner import Learner
from models.training.pieces import Piece
from models.training.several_processes import require_gpus
from models.training.shards import whole_in_memory
from models.training.shared_gradients import add_gradients, compute, share_outcome

Layout = Mapping[str, tuple[torch.Size, torch.dtype]]
"""Of tensors, by name: their shape and number format."""

SEED_STRIDE = 1_000_000_007
"""Between the seeds of two processes, so that their dropout differs and can be repeated."""


class Message(Protocol):
    """What process 0 asks of a worker."""

    def serve(self, worker: "Worker") -> None:
        """Do it."""


class Worker:
    """One of the other processes. `was_interrupted` tells whether a signal asked for a pause."""

    def __init__(self, group: ProcessGroup, was_interrupted: Callable[[], bool] = lambda: False) -> None:
        self.group, self.was_interrupted = group, was_interrupted
        self.ended = False
        self.model_config: ModelConfig | None = None
        self.compiled = False
        self._learner: Learner | None = None
        self._evaluation = contextlib.ExitStack()

    @property
    def learner(self) -> Learner:
        assert self._learner is not None, "process 0 sends the weights first"
        return self._learner

    def work(self) -> None:
        """Serve process 0 until it has no more work. Raises ProcessLostError."""
        with noticing_lost_processes():
            self.group.gather(code_digest())
            while not self.ended:
                self.group.receive().serve(self)

    def set_learner(self, learner: Learner, config: ModelConfig, *, compiled: bool) -> None:
        """Have another model from now on."""
        self._learner, self.model_config, self.compiled = learner, config, compiled

    def evaluate_with_average(self, wanted: bool) -> None:
        """Give the model its averaged weights, or its own again."""
        self._evaluation.close()
        if wanted:
            self._evaluation.enter_context(self.learner.evaluating())


@dataclass(frozen=True, slots=True)
class Build:
    """Make a model like that of process 0, without its weights."""

    model: ModelConfig
    training: TrainingConfig
    number_format: str
    compiled: bool
    threads: int
    device: str
    """The kind of it: each process has one of its own."""
    shard: bool
    """Whether each process keeps only its part of every tensor."""

    def serve(self, worker: Worker) -> None:
        prepare_process(self.threads)
        device = torch.device(self.device)
        require_gpus(device, worker.group.place.local_count)
        if device.type == "cuda":
            device = torch.device("cuda", worker.group.place.local_rank)
        with no_init():
            model = build_model(self.model)
        learner = Learner(
            model if self.shard else model.to(device),
            self.training,
            self.number_format,
            compiled=self.compiled,
            group=worker.group,
            shard_on=device if self.shard else None,
        )
        worker.set_learner(learner, self.model, compiled=self.compiled)


@dataclass(frozen=True, slots=True)
class Load:
    """Take these weights and moments. The tensors follow, one by one, in the order of `layout`."""

    build: Build
    weights: Layout
    moments: Layout
    average_updates: int
    gradient_scale: float
    steps_without_overflow: int
    learns: bool
    """Whether steps follow; else the weights are only evaluated."""

    def serve(self, worker: Worker) -> None:
        if worker.model_config != self.build.model:
            self.build.serve(worker)
        learner = worker.learner
        weights, moments = (
            received(worker.group, layout, learner.part_of) for layout in (self.weights, self.moments)
        )
        if not self.learns:
            learner.stop_learning()
            learner.load_weights(weights)
            return
        learner.load(weights, moments, self.average_updates)
        learner.optimizers.restore_scale(self.gradient_scale, self.steps_without_overflow)


@dataclass(frozen=True, slots=True)
class Compute:
    """Compute the gradients of a piece of a batch, and add them to those of the others."""

    piece: Piece
    seed: int
    micro_batch: int

    def serve(self, worker: Worker) -> None:
        learner = worker.learner
        learner.optimizers.zero_grad()
        seed, is_whole = self.seed + SEED_STRIDE * worker.group.rank, learner.mesh is None
        outcome = compute(learner, self.piece, seed, self.micro_batch, exchanges=is_whole)
        if outcome.error is not None:
            raise outcome.error
        shared = share_outcome(
            worker.group,
            outcome,
            list(learner.model.parameters()),
            was_interrupted=worker.was_interrupted(),
        )
        if shared.ran_out_of_memory or outcome.contribution is None:
            return
        if outcome.room is not None:  # else they were added up on the way
            add_gradients(worker.group, shared.with_gradient, outcome.room)
        if self.piece.reports:
            worker.group.gather(outcome.contribution.found)
        learner.optimizers.clip_gradient()


@dataclass(frozen=True, slots=True)
class TakeStep:
    """Take a step with the gradients of the last batch."""

    rate_factor: float

    def serve(self, worker: Worker) -> None:
        worker.learner.take_step(self.rate_factor)


@dataclass(frozen=True, slots=True)
class Average:
    """Evaluate with the averaged weights from now on, or no longer."""

    wanted: bool

    def serve(self, worker: Worker) -> None:
        worker.evaluate_with_average(self.wanted)


@dataclass(frozen=True, slots=True)
class Apply:
    """Do a part of some work with the model, and send back what comes out; nothing where there is no item."""

    work: Callable[[Any, Any], Any]
    items: tuple[Any, ...]
    """One, or none."""

    def serve(self, worker: Worker) -> None:
        with uncompiled(worker.compiled):
            worker.group.gather([self.work(worker.learner.model, item) for item in self.items])


@dataclass(frozen=True, slots=True)
class Stay:
    """There is nothing to do now: process 0 looks whether this process is still there."""

    def serve(self, worker: Worker) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Repeat:
    """Do some work with the model, as all processes do at once; process 0 has what comes out."""

    work: Callable[[Any, Any], Any]
    item: Any

    def serve(self, worker: Worker) -> None:
        with uncompiled(worker.compiled):
            self.work(worker.learner.model, self.item)


@dataclass(frozen=True, slots=True)
class Gather:
    """Help process 0 to put the weights or the moments together, of which each process has a part."""

    weights: bool

    def serve(self, worker: Worker) -> None:
        learner = worker.learner
        whole_in_memory(learner.model.state_dict() if self.weights else learner.tensors(), wanted=False)


@dataclass(frozen=True, slots=True)
class End:
    """There is no more work."""

    def serve(self, worker: Worker) -> None:
        worker.evaluate_with_average(False)
        worker.ended = True


def layout_of(tensors: Mapping[str, Tensor]) -> Layout:
    """What another process must know to receive `tensors`."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def send_tensors(group: ProcessGroup, tensors: Mapping[str, Tensor]) -> None:
    """From process 0, one after another, by way of main memory."""
    for tensor in tensors.values():
        group.copy_from_first(tensor.detach().cpu().contiguous())


def received(group: ProcessGroup, layout: Layout, keep: Callable[[str, Tensor], Tensor]) -> dict[str, Tensor]:
    """What `keep` makes of each tensor that process 0 sends, by name. It gets them in main memory."""
    tensors = {}
    for name, (shape, number_format) in layout.items():
        tensor = torch.empty(shape, dtype=number_format)
        group.copy_from_first(tensor)
        tensors[name] = keep(name, tensor)
    return tensors


def code_digest() -> str:
    """A hash of rlm's code and of torch's version: processes that differ in it compute different things."""
    found = hashlib.sha256(torch.__version__.encode())
    for package in (data, models):
        folder = Path(package.__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            found.update(f"{path.relative_to(folder)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
