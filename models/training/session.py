"""A training in memory: the model, its optimizers and average, and how far they have come."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Generator, Iterator, Sequence

import torch

from models.config import TrainingConfig
from models.depth import Depth
from models.device import is_out_of_memory
from models.errors import CheckpointError
from models.recursive_lm import RecursiveLM
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import Snapshot, load_weights, save_checkpoint, save_weights
from models.runs.events import CheckpointSaved, Event, MicroBatchHalved, StepSkipped
from models.runs.run import Run
from models.runs.run_config import Calibration, RunConfig
from models.runs.run_state import Counters, RunState, Schedule
from models.training import schedule as schedules
from models.training.calibrate import out_of_memory
from models.training.control import Control
from models.training.learner import Learner
from models.training.loss_spikes import LossSpikes, roll_back, too_many_skips
from models.training.optimizer import Gradient, Optimizers
from models.training.pieces import Contribution, Piece
from models.training.tasks import BatchLoss, Task
from models.training.team import Team
from models.training.time_budget import REPLANS, TimeBudget


class Session:
    """Everything that a training step reads and writes."""

    def __init__(
        self,
        run: Run,
        run_config: RunConfig,
        model: RecursiveLM,
        config: TrainingConfig,
        calibration: Calibration,
        task: Task,
        control: Control,
        team: Team | None = None,
    ) -> None:
        self.run, self.run_config, self.config = run, run_config, config
        self.task, self.control, self.team = task, control, team or Team()
        self.counters = Counters()
        self.schedule = Schedule.over(0, 1)
        self.ended: str | None = None
        """Why there are no steps left; None while there are some."""
        self.best_is_unsaved = False
        """Whether the weights as they are were found best, and no checkpoint holds them yet."""
        self.last_saved = self.began = self.sitting_began = control.now()
        """`began` is the clock reading that the time trained counts from. Earlier sittings move it back;
        `sitting_began` is when this one began."""
        self.step_seconds: list[float] = []
        """Of the last steps, the newest last."""
        self._step_began = time.monotonic()
        self.set_model(model, calibration)
        self.time_budget = TimeBudget(model, config, calibration)

    def set_model(self, model: RecursiveLM, calibration: Calibration) -> None:
        """Train `model` from now on, with new optimizers and a new average."""
        self.calibration = calibration
        self.team.build(model, self.config, calibration)
        self.learner = Learner(
            model,
            self.config,
            calibration.number_format,
            compiled=calibration.compiled,
            group=self.team.group,
            shard_on=torch.device(calibration.device) if self.team.shards else None,
        )

    @property
    def model(self) -> RecursiveLM:
        """The model as it is, not averaged."""
        return self.learner.model

    @property
    def optimizers(self) -> Optimizers:
        return self.learner.optimizers

    @property
    def device(self) -> torch.device:
        return self.learner.device

    @property
    def tokens_per_step(self) -> int:
        return self.config.batch_size * self.task.sampler.context_length

    @property
    def epoch(self) -> float:
        return self.counters.position / self.task.sampler.blocks_per_epoch

    @property
    def elapsed_s(self) -> float:
        """Seconds trained, over all sittings."""
        return self.control.now() - self.began

    # One optimizer step, piece by piece, in the order of the loop.

    def backward(self, depth: Depth) -> Generator[Event, None, BatchLoss]:
        """Gradients of the next batch. Where memory runs out, in smaller micro-batches: the same tokens.

        Raises StorageError where not even one sequence fits.
        """
        self.model.train()
        while True:
            self._step_began = time.monotonic()
            self.optimizers.zero_grad()
            try:
                return self.task.backward(self, depth)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self.calibration.micro_batch == 1:
                    raise out_of_memory() from error
                self.halve_micro_batch()
                micro_batch = self.calibration.micro_batch
                accumulation = -(-self.config.batch_size // micro_batch)
                yield MicroBatchHalved(micro_batch=micro_batch, accumulation=accumulation)

    def problem(self, batch: BatchLoss, gradient: Gradient) -> str | None:
        """Why the weights must not take this step, or None. A float16 overflow is no problem: that step is
        left out, and the scale is lower now."""
        spikes = LossSpikes(self.counters.recent_losses)
        problem = spikes.problem(batch.loss, 0.0 if gradient.overflowed else gradient.norm)
        spikes.add(batch.loss)
        return problem

    def learning_rate_factor(self) -> float:
        """The factor on every peak learning rate at this step."""
        factor = schedules.learning_rate_factor(self.schedule, self.counters.step, self.config)
        return factor * self.counters.rate_scale

    def gradients(self, pieces: Sequence[Piece]) -> list[Contribution]:
        """Accumulate the gradients of a batch in `pieces`, one for each process (`Team.gradients`)."""
        return self.team.gradients(self, pieces)

    def take_step(self, rate_factor: float) -> None:
        """Change the weights, and move their average a step towards them."""
        self.team.take_step(self, rate_factor)

    def update_mean_loss(self, loss: float) -> None:
        """Take the loss of a step that was taken into the smoothed training loss."""
        counters = self.counters
        before = loss if math.isnan(counters.mean_loss) else counters.mean_loss
        counters.mean_loss = 0.9 * before + 0.1 * loss

    def advance(self, batch: BatchLoss, depth: Depth) -> None:
        """Count a step, whether it was taken or skipped."""
        counters = self.counters
        self.best_is_unsaved = False  # the weights have moved on
        counters.step += 1
        counters.position += batch.drawn
        counters.tokens_seen += self.tokens_per_step
        counters.characters_seen += self.tokens_per_step * self.task.characters_per_token
        counters.elapsed_s = self.elapsed_s
        seconds = time.monotonic() - self._step_began
        self.step_seconds = [*self.step_seconds[-49:], seconds]
        self.time_budget.count_step(depth, seconds)

    def skip(self, batch: BatchLoss, gradient: Gradient, problem: str) -> Iterator[Event]:
        """Note a step whose batch was bad. After too many of them, return to the latest checkpoint."""
        counters = self.counters
        counters.skipped_steps.append(counters.step - 1)
        yield StepSkipped(step=counters.step, loss=batch.loss, gradient_norm=gradient.norm, reason=problem)
        if too_many_skips(counters.skipped_steps, counters.step):
            yield from roll_back(self)

    # Once in a while.

    def is_due(self, times: int) -> bool:
        """Whether something done `times` times over the training is due after the step just taken."""
        return schedules.is_due(self.schedule, self.counters.step, times)

    def evaluation_due(self) -> bool:
        """Whether to evaluate now: evenly over the training, after its last step, and before a stop."""
        counters = self.counters
        if counters.step == counters.last_evaluated or self.control.wants("pause"):
            return False
        is_last = counters.step >= self.schedule.last_step or self.control.wants("stop")
        return is_last or self.is_due(self.config.evaluations)

    def sample_due(self) -> bool:
        """Whether a sample belongs to the evaluation under way: as many as configured, or one with each."""
        counters, samples = self.counters, self.config.samples
        before = max(self.schedule.first_step, counters.last_evaluated)
        due = schedules.times_due(self.schedule, counters.step, samples)
        return due > schedules.times_due(self.schedule, before, samples)

    def replan_due(self) -> bool:
        """Whether to look again how many steps fit into the time."""
        return self.is_due(REPLANS)

    def has_ended(self) -> bool:
        """Whether there is no further step; `ended` says why."""
        counters = self.counters
        if self.ended is None and counters.step >= self.schedule.last_step:
            self.ended = self.time_budget.end_reason(self.schedule.last_step)
        if self.control.wants("stop") and counters.last_evaluated == counters.step:
            self.ended = "stopped"
        return self.ended is not None

    def keep_if_best(self, score: float) -> bool:
        """Write the model's weights as the run's where `score`, the lower the better, is the best yet."""
        counters = self.counters
        if not score < counters.best_loss:
            counters.without_better += 1
            return False
        save_weights(self.run, self.team.weights(self), self._metadata())
        counters.without_better = 0
        counters.best_loss, counters.best_step = score, counters.step
        self.best_is_unsaved = True
        return True

    def end_if_good_enough(self, loss: float) -> None:
        """End where the target loss is reached, or no better one came for long enough."""
        config = self.config
        if config.target_loss is not None and loss <= config.target_loss:
            self.ended = self.ended or "target-loss"
        elif config.patience and self.counters.without_better >= config.patience:
            self.ended = self.ended or "patience"

    def save_due(self) -> str | None:
        """Why a checkpoint is due now, or None."""
        budget, since_s = self.time_budget, self.control.now() - self.last_saved
        # Where there is a deadline, the best weights may have to do without a checkpoint of their own.
        if self.best_is_unsaved and (budget.deadline is None or budget.can_save(since_s)):
            return "best"
        if budget.save_is_due(since_s):
            return "interval"
        return "request" if self.control.wants("save") else None

    def save(self, reason: str) -> CheckpointSaved:
        """Write a checkpoint. Raises StorageError."""
        chosen = {"latest": True, "pause": reason == "pause", "best": self.best_is_unsaved}
        pointers = [pointer for pointer, is_chosen in chosen.items() if is_chosen]
        began = self.control.now()
        path = save_checkpoint(self.run, self.snapshot(), pointers=pointers, metadata=self._metadata())
        self.note_saved()
        self.time_budget.save_s = self.last_saved - began
        return CheckpointSaved(step=self.counters.step, path=str(path), reason=reason)

    def note_saved(self) -> None:
        """The state as it is was saved just now."""
        self.best_is_unsaved = False
        self.last_saved = self.control.now()
        self.control.done("save")

    # The state.

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[RecursiveLM]:
        """The model with the weights that would be kept now; afterwards it is as it was."""
        with self.team.evaluating(), self.learner.evaluating() as model:
            yield model

    def halve_micro_batch(self) -> None:
        """Take a step in smaller pieces from now on: the same tokens, less memory."""
        self.optimizers.zero_grad()
        pieces = max(1, self.calibration.micro_batch // 2)
        self.calibration = dataclasses.replace(self.calibration, micro_batch=pieces)

    def snapshot(self) -> Snapshot:
        """Everything that the next step depends on, not copied: write it before that step."""
        tensors = self.team.moments(self) | self.task.tensors()
        budget, average = self.time_budget, self.learner.average
        state = RunState(
            counters=self.counters,
            schedule=self.schedule,
            micro_batch=self.calibration.micro_batch,
            average_updates=0 if average is None else average.updates,
            gradient_scale=self.optimizers.gradient_scale,
            steps_without_overflow=self.optimizers.steps_without_overflow,
            ended=self.ended,
            seconds_left=None if budget.deadline is None else budget.left_s(self.control.now()),
            revision=self.run_config.revision,
        )
        return Snapshot(self.counters.step, self.team.weights(self), tensors, state)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot, in every process. Raises CheckpointError where it does not fit the model."""
        self._restore_here(snapshot)
        if self.team.shards:
            self.team.load(self, snapshot.model, snapshot.training)
        else:
            self.team.load(self, self.model.state_dict(), self.learner.tensors())

    def _restore_here(self, snapshot: Snapshot) -> None:
        state = snapshot.state
        try:
            self.learner.load(snapshot.model, snapshot.training, state.average_updates)
            self.counters, self.schedule = dataclasses.replace(state.counters), state.schedule
            if state.is_initial:  # what was calibrated for this text holds
                return
            self.task.load(snapshot.training)
            self.optimizers.restore_scale(state.gradient_scale, state.steps_without_overflow)
            self.calibration = dataclasses.replace(self.calibration, micro_batch=state.micro_batch)
        except (KeyError, TypeError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise
            raise CheckpointError(
                f"The checkpoint of step {snapshot.step} does not fit this model.",
                hint="Its config.json may have been changed since it was trained.",
            ) from error

    def load_best_weights(self) -> RecursiveLM:
        """The model with the run's best weights. There is no step after this: the memory for training is
        free again. Raises CheckpointError."""
        weights, _ = load_weights(self.run.weights_path)
        self.learner.stop_learning()
        self.learner.load_weights(weights)
        self.team.load(self, weights, {}, learns=False)
        return self.model

    def _metadata(self) -> dict[str, str]:
        return weights_metadata(self.task.tokenizer, self.run_config)
