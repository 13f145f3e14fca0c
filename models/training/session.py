"""A training in memory: the model, its optimizers and average, and how far they have come."""

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.config import TrainingConfig
from models.device import autocast, is_out_of_memory, to_device
from models.errors import CheckpointError
from models.recursion import Depth, sample_depth
from models.recursive_lm import LossParts, RecursiveLM
from models.runs.checkpoint import Snapshot
from models.training.averaging import WeightAverage
from models.training.calibrate import Measured
from models.training.loss_spikes import LossWatch
from models.training.optimizer import Optimizers
from models.training.schedule import Schedule

MINIMUM = Depth(1)

FIRST_SCALE = 65536.0
"""What the loss is multiplied by in float16 at the start, so that small gradients do not vanish."""
LEAST_SCALE = 1.0
"""Gradients that are not finite at this scale did not overflow because of it."""
GROWTH_INTERVAL = 2000
"""Steps in a row without an overflow after which the scale doubles. Each overflow halves it."""


@dataclass(slots=True)
class Counters:
    """What `state.json` says of a training. Plain numbers, so that it is JSON as it stands."""

    step: int = 0
    position: int = 0
    """Sequences drawn: the whole state of the data order."""
    tokens_seen: int = 0
    elapsed_s: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    last_evaluated: int = -1
    mean_loss: float = math.nan
    """Of the last steps, smoothed."""
    without_better: int = 0
    """Evaluations in a row that were not the best."""
    rate_scale: float = 1.0
    rollbacks: int = 0
    recent_losses: list[float] = field(default_factory=list)
    skipped_steps: list[int] = field(default_factory=list)
    characters_seen: float = 0.0
    """Of text, about, replayed ones included."""
    growths: int = 0
    """Times the model grew since it began with its text, or could not."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step: mean loss in nats, recursions per token, norm of the whole gradient, and why it was
    skipped if the batch was bad."""

    loss: float
    passes: float
    gradient_norm: float
    depth: Depth
    learning_rate: float
    problem: str | None
    overflowed: bool = False
    """Whether it was skipped because the scale of float16 was too large for its gradient."""


class Sampler(Protocol):
    """An endless sequence of what is learned from, each piece a function of its position."""

    context_length: int
    blocks_per_epoch: int

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, …) int64: the pieces number position to position + B - 1 of all ever drawn."""


class Session:
    """Everything a training step reads and writes. `step` is the only way forward."""

    def __init__(
        self, model: RecursiveLM, config: TrainingConfig, sampler: Sampler, measured: Measured
    ) -> None:
        self.model = model
        self.config = config
        self.sampler = sampler
        self.measured = measured
        self.device = next(model.parameters()).device
        self.optimizers = Optimizers(model, config)
        self.average = WeightAverage(model, config.average_decay) if config.average_decay else None
        self.scaler = torch.amp.GradScaler(
            self.device.type,
            init_scale=FIRST_SCALE,
            growth_interval=GROWTH_INTERVAL,
            enabled=measured.number_format == "float16",
        )
        self.counters = Counters()
        self.revision = 0
        """How often the run had changed what it is when this training was opened."""
        self.schedule = Schedule.over(0, 1)

    @property
    def tokens_per_step(self) -> int:
        return self.config.batch_size * self.sampler.context_length

    @property
    def epoch(self) -> float:
        return self.counters.position / self.sampler.blocks_per_epoch

    def depth_at(self, step: int) -> Depth:
        """The least depth early on where the recipe says so, then sampled ones."""
        if self.schedule.progress(step) < self.config.late_recursion:
            return MINIMUM
        config = self.config
        return sample_depth(self.model.trained_depth, config.seed, step, config.deepest_share)

    def step(self) -> StepResult:
        """One optimizer step, or none where the loss or the gradient cannot be trusted.

        Raises RuntimeError where memory runs out; nothing has changed then, and the step can be
        tried again with a smaller micro-batch.
        """
        counters = self.counters
        depth = self.depth_at(counters.step)
        torch.manual_seed(self.config.seed * 1_000_003 + counters.step)  # dropout, without a state to keep
        self.optimizers.zero_grad()
        self.model.train()
        loss, passes, drawn = self._backward(depth)
        for optimizer in self.optimizers.all:
            self.scaler.unscale_(optimizer)
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip))
        overflowed = self._update_scale()
        watch = LossWatch(counters.recent_losses)
        problem = watch.problem(loss, 0.0 if overflowed else norm)  # the loss itself was not scaled
        rate = self.schedule.rate(counters.step, self.config) * counters.rate_scale
        if problem is not None:
            counters.skipped_steps.append(counters.step)
        elif not overflowed:
            self.optimizers.step(rate)
            if self.average is not None:
                self.average.update(self.model)
        watch.remember(loss)
        counters.step += 1
        counters.position += drawn
        counters.tokens_seen += self.tokens_per_step
        return StepResult(loss, passes, norm, depth, rate * self.config.learning_rate, problem, overflowed)

    def _update_scale(self) -> bool:
        """Fit the scale of float16 to the gradients just unscaled, and return whether they overflowed.

        At LEAST_SCALE they never do: a gradient that is still not finite there is a bad one.
        """
        if not self.scaler.is_enabled():
            return False
        before = self.scaler.get_scale()
        self.scaler.update()
        if self.scaler.get_scale() < LEAST_SCALE:
            self.scaler.update(LEAST_SCALE)
        return self.scaler.get_scale() < before

    def _restore_scale(self, state: dict[str, Any]) -> None:
        if not self.scaler.is_enabled():
            return
        scale = max(LEAST_SCALE, state["gradient_scale"])
        steps = state.get("steps_without_overflow", 0)  # older checkpoints hold the scale alone
        self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": scale, "_growth_tracker": steps})

    def _backward(self, depth: Depth) -> tuple[float, float, int]:
        """Gradients of one batch: its mean loss, recursions per token, and the sequences drawn for it."""
        blocks = torch.from_numpy(self.sampler.batch(self.counters.position, self.config.batch_size))
        loss = passes = 0.0
        for micro in blocks.split(self.measured.micro_batch):  # (b, T + 1)
            share = len(micro) / len(blocks)
            parts = self._accumulate(to_device(micro, self.device), depth, share)
            loss += parts.next_token.item() * share
            passes += parts.passes.item() * share
        return loss, passes, len(blocks)

    def _accumulate(self, blocks: Tensor, depth: Depth, share: float) -> LossParts:
        with autocast(self.device, self.measured.number_format):
            parts = self.model.training_loss(blocks[:, :-1], blocks[:, 1:], depth)
        self.scaler.scale(parts.total * share).backward()
        return parts

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[RecursiveLM]:
        """The model as it would be saved now; afterwards it is as it was."""
        trained = [p.detach().clone() for p in self.model.parameters()] if self.average is not None else []
        try:
            if self.average is not None:
                self._set(self.average.shadow.values())
            yield self.model
        finally:
            if trained:
                self._set(trained)

    @torch.no_grad()
    def _set(self, values: Iterable[Tensor]) -> None:
        for parameter, value in zip(self.model.parameters(), values, strict=True):
            parameter.copy_(value)

    def halve_micro_batch(self) -> None:
        """Take a step in smaller pieces from now on: the same tokens, less memory."""
        self.optimizers.zero_grad()
        self.measured = dataclasses.replace(self.measured, micro_batch=max(1, self.measured.micro_batch // 2))

    def snapshot(self, ended: str | None = None) -> Snapshot:
        """Everything that the next step depends on, not copied: write it before that step.

        `ended` is why there is no next step.
        """
        training = self.optimizers.state()
        if self.average is not None:
            training |= {f"average.{name}": value for name, value in self.average.state().items()}
        state: dict[str, Any] = {
            "counters": dataclasses.asdict(self.counters),
            "schedule": dataclasses.asdict(self.schedule),
            "micro_batch": self.measured.micro_batch,
            "average_updates": self.average.updates if self.average is not None else 0,
            "gradient_scale": self.scaler.get_scale(),
            "steps_without_overflow": self.scaler.state_dict().get("_growth_tracker", 0),
            "ended": ended,
            "revision": self.revision,
        }
        return Snapshot(self.counters.step, self.model.state_dict(), training, state)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot. Raises CheckpointError where it does not fit the model."""
        try:
            self.model.load_state_dict(snapshot.model)
            self.optimizers.load(snapshot.training)
            self.counters = Counters(**snapshot.state["counters"])
            self.revision = snapshot.state.get("revision", 0)
            self.schedule = Schedule(**snapshot.state["schedule"])
            if self.average is not None:
                shadow = {name: snapshot.training[f"average.{name}"] for name in self.average.shadow}
                self.average.load(shadow, snapshot.state["average_updates"])
            if snapshot.state.get("begins"):  # what was measured for this text holds
                return
            self._restore_scale(snapshot.state)
            self.measured = dataclasses.replace(self.measured, micro_batch=snapshot.state["micro_batch"])
        except (KeyError, TypeError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise
            raise misfit(snapshot) from error

    def all_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(torch.isfinite(p).all()) for p in self.model.parameters())


def misfit(snapshot: Snapshot) -> CheckpointError:
    """The error for a checkpoint of another model."""
    return CheckpointError(
        f"The checkpoint of step {snapshot.step} does not fit this model.",
        hint="Its config.json may have been changed since it was trained.",
    )
