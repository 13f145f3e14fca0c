"""The training loop: steps, and what is done once in a while, as an iterator of events.

Once in a while, in source order: evaluate, settle the pace anew, save, grow.
"""

import math
import time
from collections.abc import Iterator

from models.device import is_out_of_memory
from models.evaluation.modes import default_depth
from models.recursive_lm import RecursiveLM
from models.runs.best_weights import weights_metadata
from models.runs.checkpoint import save_checkpoint, save_weights
from models.runs.events import (
    CheckpointSaved,
    EvaluationAdvanced,
    Event,
    MicroBatchHalved,
    RunPaused,
    ScheduleSettled,
    StepSkipped,
)
from models.training.calibrate import no_room_for_one
from models.training.compilation import compile_blocks
from models.training.control import Control
from models.training.corpora import begin_corpus
from models.training.grow import grow, growths_due
from models.training.loss_spikes import lost_footing
from models.training.occasions import evaluation_due, falls_due
from models.training.open import Opened
from models.training.reports import run_started, step_finished
from models.training.rollback import roll_back
from models.training.session import Session, StepResult
from models.training.time_budget import LOOKS


class TrainingLoop:
    """The loop over one opened training; what is learned, and how it is judged, is for subclasses."""

    def __init__(self, opened: Opened, control: Control) -> None:
        self.opened = opened
        self.run = opened.run
        self.control = control
        self.depth = default_depth(opened.session.model)
        self.reason = opened.ended
        self.began = time.monotonic() - opened.session.counters.elapsed_s
        self.last_saved = time.monotonic()
        self.stretch_real_s = self.stretch_expected_s = 0.0
        self.step_seconds: list[float] = []
        self.best_unsaved = False
        """Whether the weights as they are were found best, and no checkpoint holds them yet."""

    @property
    def session(self) -> Session:
        """The training as it is: another one from where the model grew."""
        return self.opened.session

    def events(self) -> Iterator[Event]:
        """Everything from the first step to the last word."""
        if self.session.measured.compiled:
            compile_blocks(self.session.model)
        yield run_started(self.opened)
        if self.session.counters.step == 0:
            yield from begin_corpus(self.opened)
            yield self._save("interval")
        while True:
            if self.control.wish == "pause":
                yield self._save("pause")
                yield self._paused()
                return
            if self.control.wish == "stop":
                self.reason = "stopped"
            if evaluation_due(self.session) or self.reason == "stopped":
                yield from self._evaluate()
                if self.control.wish == "pause":
                    continue
            if falls_due(self.session, LOOKS):
                yield from self._settle_again()
            if self._finished():
                break
            if self.best_unsaved:
                yield self._save("best")
            elif time.monotonic() - self.last_saved > self.session.config.checkpoint_minutes * 60:
                yield self._save("interval")
            yield from self._step()
            if due := growths_due(self.opened):
                yield from self._grow(due)
        yield self._save("final")
        for event in self._last_words(self.reason or "steps", time.monotonic() - self.began):
            yield event
            if self.control.wish == "pause" and isinstance(event, EvaluationAdvanced):
                yield self._paused()
                return

    def _paused(self) -> RunPaused:
        return RunPaused(
            step=self.session.counters.step,
            total_steps=self.session.schedule.last_step,
            path=str(self.run.path),
        )

    def stand_still(self, seconds: float) -> None:
        """Do not count time in which a user was asked something."""
        self.began += seconds
        self.last_saved += seconds
        if self.opened.pace.deadline is not None:
            self.opened.pace.deadline += seconds

    def _finished(self) -> bool:
        if self.session.counters.step >= self.session.schedule.last_step:
            self.reason = self.reason or "steps"
        return self.reason is not None

    def _step(self) -> Iterator[Event]:
        session = self.session
        expected_s = self.opened.pace.expected_s(session.depth_at(session.counters.step))
        began = time.monotonic()
        try:
            result = session.step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if session.measured.micro_batch == 1:
                raise no_room_for_one() from error
            session.halve_micro_batch()
            micro = session.measured.micro_batch
            yield MicroBatchHalved(micro_batch=micro, accumulation=-(-session.config.batch_size // micro))
            return
        real_s = time.monotonic() - began
        self.stretch_real_s += real_s
        self.stretch_expected_s += expected_s
        self.step_seconds = [*self.step_seconds[-49:], real_s]
        session.counters.elapsed_s = time.monotonic() - self.began
        session.counters.characters_seen += session.tokens_per_step * self.opened.characters_per_token
        if result.problem is not None:
            yield from self._skipped(result)
        elif not result.overflowed:  # which is ordinary in float16, and not told
            counters = session.counters
            before = result.loss if math.isnan(counters.mean_loss) else counters.mean_loss
            counters.mean_loss = 0.9 * before + 0.1 * result.loss
            yield step_finished(session, result, self.step_seconds)

    def _grow(self, number: int) -> Iterator[Event]:
        before = self.session
        yield from grow(self.opened, number)
        if self.session is not before:
            self.last_saved, self.best_unsaved = time.monotonic(), False
            if self.session.measured.compiled:
                compile_blocks(self.session.model)

    def _skipped(self, result: StepResult) -> Iterator[Event]:
        session = self.session
        counters = session.counters
        yield StepSkipped(
            step=counters.step,
            loss=result.loss,
            gradient_norm=result.gradient_norm,
            reason=result.problem or "",
        )
        if lost_footing(counters.skipped_steps, counters.step):
            yield from roll_back(self.run, session)

    def _evaluate(self) -> Iterator[Event]:
        """Judge the weights as they are on some of what was held out, and keep them if they are the best."""
        raise NotImplementedError

    def _last_words(self, reason: str, elapsed_s: float) -> Iterator[Event]:
        """Judge the kept weights on all of it, and end with RunFinished."""
        raise NotImplementedError

    def _keep_if_best(self, model: RecursiveLM, found: float) -> bool:
        """Keep the weights of `model` where what was `found`, the lower the better, is the best yet."""
        counters = self.session.counters
        if not (best := found < counters.best_loss):
            counters.without_better += 1
            return False
        save_weights(self.run, model.state_dict(), self._metadata())
        counters.without_better = 0
        counters.best_loss, counters.best_step = found, counters.step
        self.best_unsaved = True
        return best

    def _end_if_good_enough(self, loss: float) -> None:
        """End where the loss asked for is reached, or nothing better came for long enough."""
        config = self.session.config
        if config.target_loss is not None and loss <= config.target_loss:
            self.reason = self.reason or "target-loss"
        elif config.patience and self.session.counters.without_better >= config.patience:
            self.reason = self.reason or "patience"

    def _settle_again(self) -> Iterator[Event]:
        """Plan the steps left anew where the machine turned out slower or faster than measured."""
        session, pace, step = self.session, self.opened.pace, self.session.counters.step
        pace.learn(self.stretch_real_s, self.stretch_expected_s)
        self.stretch_real_s = self.stretch_expected_s = 0.0
        if pace.deadline is None or step >= session.schedule.last_step:
            return
        progress = session.schedule.progress(step)
        possible = pace.steps_left(progress, step)
        if pace.worth_moving(session.schedule.last_step - step, possible):
            session.schedule = session.schedule.ending_at(step + possible, step)
            seconds = pace.mean_step_s(progress) * pace.slowness
            yield ScheduleSettled(step=step, total_steps=step + possible, seconds_per_step=seconds)

    def _save(self, reason: str) -> CheckpointSaved:
        session = self.session
        snapshot = session.snapshot(ended=self.reason)
        meant = {"latest": True, "pause": reason == "pause", "best": self.best_unsaved}
        pointers = [pointer for pointer, means_this in meant.items() if means_this]
        path = save_checkpoint(self.run, snapshot, pointers=pointers, metadata=self._metadata())
        self.best_unsaved = False
        self.last_saved = time.monotonic()
        return CheckpointSaved(step=session.counters.step, path=str(path), reason=reason)

    def _metadata(self) -> dict[str, str]:
        return weights_metadata(self.opened.tokenizer, self.opened.config)
