"""All processes of a training, as process 0 sees them: this is where one training becomes several processes.

Everything that depends on a clock, a signal, free memory or a measurement is decided by process 0, which runs
the same loop as a training in one process. It sends the others their work (models/training/worker.py). Alone,
it does all the work itself, and nothing is sent.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from data.errors import StorageError, UsageError
from models.config import TrainingConfig
from models.device import is_out_of_memory
from models.errors import ProcessLostError
from models.processes.group import ProcessGroup
from models.processes.placement import Processes
from models.processes.spread import Item, Result
from models.recursive_lm import RecursiveLM
from models.runs.run_config import Calibration
from models.training.pieces import Contribution, Piece, shares
from models.training.shards import whole_in_memory
from models.training.shared_gradients import Room, add_gradients, compute, share_outcome
from models.training.worker import (
    Apply,
    Average,
    Build,
    Compute,
    End,
    Gather,
    Load,
    Message,
    Repeat,
    Stay,
    TakeStep,
    code_digest,
    layout_of,
    send_tensors,
)

if TYPE_CHECKING:
    from models.training.session import Session

_SECONDS_KEPT = 0.9
"""The weight of the steps before in the smoothed seconds of each process."""


class Team:
    """The processes of a training. A context that lets the others go at its end; alone where `group` is
    None."""

    def __init__(self, group: ProcessGroup | None = None, *, shard: bool = False) -> None:
        """With `shard`, the processes divide the weights, gradients and moments among them. Raises UsageError
        where the others run another version of rlm."""
        self.group = group if group is not None and group.count > 1 else None
        """None alone."""
        self.shards = shard and self.group is not None
        """Whether each process has only a part of the weights."""
        self._is_lost = False
        """Whether this process failed in what all do at once. The others wait there, until they notice its
        end."""
        self.was_interrupted = False
        """Whether a signal asked one of the others for a pause."""
        self.seconds: tuple[float, ...] = ()
        """What the gradients of a step take in each process, smoothed; empty before the first and alone."""
        if self.group is not None and len(set(self.group.gather(code_digest()))) > 1:
            self._send(End())
            raise UsageError(
                "The processes of this training run different versions of rlm or of torch.",
                hint="Install the same ones on every machine.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, ProcessLostError):
            return  # the others notice the end of this process, wherever they wait
        with contextlib.suppress(ProcessLostError):
            self._send(End())

    @property
    def count(self) -> int:
        """How many processes there are."""
        return 1 if self.group is None else self.group.count

    @property
    def on_this_machine(self) -> int:
        """How many of them share this machine."""
        return 1 if self.group is None else self.group.place.local_count

    @property
    def processes(self) -> Processes:
        """Their numbers."""
        return Processes(self.count, self.on_this_machine, self.shards)

    def rows(self, batch: int) -> list[slice]:
        """The rows of a batch that each process gets."""
        return shares(batch, self.count)

    def build(self, model: RecursiveLM, training: TrainingConfig, calibration: Calibration) -> None:
        """Let the others make a model like `model`, where it takes all processes at once to divide it."""
        if self.shards:
            self._send(self._build(model, training, calibration))

    def _build(self, model: RecursiveLM, training: TrainingConfig, calibration: Calibration) -> Build:
        return Build(
            model=model.config,
            training=training,
            number_format=calibration.number_format,
            compiled=calibration.compiled,
            threads=calibration.threads,
            device=torch.device(calibration.device).type,
            shard=self.shards,
        )

    def load(
        self,
        session: "Session",
        weights: Mapping[str, Tensor],
        moments: Mapping[str, Tensor],
        *,
        learns: bool = True,
    ) -> None:
        """Give the others `weights` and, if the model `learns` on, `moments`: those of this process. Of its
        parts, the whole."""
        if self.group is None:
            return
        learner = session.learner
        average, optimizers = learner.average, learner.optimizers
        self._send(
            Load(
                build=self._build(learner.model, session.config, session.calibration),
                weights=layout_of(weights),
                moments=layout_of(moments),
                average_updates=0 if average is None else average.updates,
                gradient_scale=optimizers.gradient_scale,
                steps_without_overflow=optimizers.steps_without_overflow,
                learns=learns,
            )
        )
        for tensors in (weights, moments):
            send_tensors(self.group, tensors)

    def gradients(self, session: "Session", pieces: Sequence[Piece]) -> list[Contribution]:
        """The gradients of a batch, of which each process gets one of `pieces`.

        The loss and the passes are those of the whole batch, and stand in the first contribution. Raises
        torch.OutOfMemoryError where one of the processes has too little memory.
        """
        learner, micro_batch = session.learner, session.calibration.micro_batch
        # Dropout depends on the step alone, so there is no random state to save.
        seed = session.config.seed * 1_000_003 + session.counters.step
        if self.group is not None:
            self.group.send([Compute(piece, seed, micro_batch) for piece in pieces])
        exchanges = self.group is not None and not self.shards
        outcome = compute(learner, pieces[0], seed, micro_batch, exchanges=exchanges)
        parameters = list(learner.model.parameters())
        if outcome.error is not None:
            self._is_lost = self.shards
            if self.group is not None and not self.shards:
                with contextlib.suppress(ProcessLostError):  # the others wait to hear of it
                    share_outcome(self.group, outcome, parameters, was_interrupted=False)
            raise outcome.error
        if self.group is None:
            if outcome.contribution is None:
                raise torch.OutOfMemoryError("out of memory")
            return [outcome.contribution]
        shared = share_outcome(self.group, outcome, parameters, was_interrupted=False)
        self.was_interrupted = self.was_interrupted or shared.was_interrupted
        if shared.ran_out_of_memory or outcome.contribution is None:
            raise torch.OutOfMemoryError("out of memory in one of the processes")
        if outcome.room is not None:  # else they were added up on the way
            self._add_gradients(self.group, shared.with_gradient, outcome.room)
        found = [outcome.contribution.found]
        if pieces[0].reports:
            found = self.group.gather(outcome.contribution.found)
        self._note_seconds(shared.seconds)
        first = Contribution(shared.loss, shared.passes, found[0])
        return [first, *(Contribution(0.0, 0.0, one) for one in found[1:])]

    def _add_gradients(self, group: ProcessGroup, parameters: Sequence[Tensor], room: Room) -> None:
        """Raises StorageError where memory runs out: the others are in the exchange, so it cannot be tried
        again."""
        try:
            with self._at_once():
                add_gradients(group, parameters, room)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise StorageError(
                "The exchange of gradients does not fit into memory.",
                hint="Train with fewer sequences at once: {training.micro_batch}, or in one process.",
            ) from error

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        """Around what all processes do at once."""
        try:
            yield
        except BaseException:
            self._is_lost = True
            raise

    def take_step(self, session: "Session", rate_factor: float) -> None:
        """The same step everywhere, with the gradients there are."""
        self._send(TakeStep(rate_factor))
        with self._at_once():
            session.learner.take_step(rate_factor)

    def require_all(self) -> None:
        """Raise ProcessLostError where another process has ended. torchrun then sends this one a SIGTERM,
        which is no wish for a pause: it starts all of them again."""
        self._send(Stay())

    def weights(self, session: "Session") -> dict[str, Tensor]:
        """Those of the model as it is now: all of each, and not copied where this process has them."""
        return self._whole(session.model.state_dict(), weights=True)

    def moments(self, session: "Session") -> dict[str, Tensor]:
        """Those of the optimizers, and the average, as `weights` gives them."""
        return self._whole(session.learner.tensors(), weights=False)

    def _whole(self, tensors: dict[str, Tensor], *, weights: bool) -> dict[str, Tensor]:
        if not self.shards:
            return tensors
        self._send(Gather(weights))
        return whole_in_memory(tensors, wanted=True)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """The others evaluate with their averaged weights."""
        self._send(Average(wanted=True))
        try:
            yield
        finally:
            self._send(Average(wanted=False))

    def map(self, work: Callable[[Any, Item], Result], model: Any, items: Iterable[Item]) -> Iterator[Result]:
        """As `models.processes.spread.Spread` says; each process does every so manieth of `items`. Where they
        divide the weights, all of them do every item: how often a block is computed depends on the item, and
        each of these times takes all processes."""
        if self.group is None or self.shards:
            for item in items:
                yield self.once(work, model, item)
            return
        waiting = iter(items)
        while batch := list(itertools.islice(waiting, self.count)):
            given = [tuple(batch[number : number + 1]) for number in range(self.count)]
            self.group.send([Apply(work, items_of_one) for items_of_one in given])
            try:
                own = [work(model, item) for item in given[0]]
            except BaseException:
                with contextlib.suppress(ProcessLostError):  # the others wait to be heard
                    self.group.gather([])
                raise
            for results in self.group.gather(own):
                yield from results

    def once(self, work: Callable[[Any, Item], Result], model: Any, item: Item) -> Result:
        """What `work` makes of `item`, done by all processes where they divide the weights."""
        if not self.shards:
            return work(model, item)
        self._send(Repeat(work, item))
        with self._at_once():
            return work(model, item)

    def _send(self, message: Message) -> None:
        if self.group is not None and not self._is_lost:
            self.group.send([message] * self.count)

    def _note_seconds(self, seconds: tuple[float, ...]) -> None:
        before = self.seconds or seconds
        self.seconds = tuple(
            _SECONDS_KEPT * old + (1 - _SECONDS_KEPT) * new for old, new in zip(before, seconds, strict=True)
        )
