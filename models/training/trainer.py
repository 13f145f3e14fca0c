"""The training loop, as an iterator of events.

One call trains a new run, goes on with a paused one, and goes on after a crash: what there is to
resume decides. Once in a while, in source order: evaluate, sample, save.
"""

import math
import time
from collections.abc import Generator, Iterator

from models.checkpoint_folder import newest_checkpoint
from models.device import is_out_of_memory
from models.events import (
    CheckpointSaved,
    EvaluationAdvanced,
    EvaluationFinished,
    Event,
    MicroBatchHalved,
    RunPaused,
    SampleGenerated,
    ScheduleSettled,
    StepSkipped,
)
from models.run import Run
from models.training.checkpoint import save_checkpoint, save_weights
from models.training.compilation import compile_blocks, eager
from models.training.control import Control
from models.training.evaluate import bits_per_byte, evaluate
from models.training.extend import extend
from models.training.finish import finish
from models.training.kept_weights import restore_kept_weights, weights_metadata
from models.training.measure import no_room_for_one
from models.training.modes import default_depth
from models.training.occasions import evaluation_due, falls_due, sample_due
from models.training.opening import Opened, open_training
from models.training.pace import LOOKS
from models.training.pass_tally import PassTally
from models.training.reports import run_started, step_finished
from models.training.rollback import roll_back
from models.training.sample import sample_passage
from models.training.session import StepResult
from models.training.stability import lost_footing

__all__ = ["Control", "extend", "train"]

ASKED_S = 1.0
"""An event kept longer than this was not being drawn: someone was asked something."""


def train(run: Run, control: Control | None = None) -> Iterator[Event]:
    """Train `run` from where it stands to its end, or until `control` wishes otherwise.

    The last event is RunFinished or RunPaused. Raises RlmError: DivergedError where training lost
    its footing, StorageError, CheckpointError, CorpusError, UsageError where it is finished.
    """
    control = control or Control()
    with run.lock():
        restored = yield from restore_kept_weights(run)
        opening, asked_s = open_training(run, restored), 0.0
        while True:
            try:
                asked_s += yield from _offer(next(opening))
            except StopIteration as end:
                opened: Opened = end.value
                break
            if control.wish == "pause":  # a stop waits: what there is has to be judged
                opening.close()
                yield _paused_in_preparation(run)
                return
        if opened.pace.deadline is not None:
            opened.pace.deadline += asked_s
        trainer = _trainer_of(opened)(opened, control)
        for event in trainer.events():
            trainer.stand_still((yield from _offer(event)))


def _offer(event: Event) -> Generator[Event, None, float]:
    """Hand `event` over. Returns the seconds in which someone was asked something meanwhile."""
    handed_over = time.monotonic()
    yield event
    waited_s = time.monotonic() - handed_over
    return waited_s if waited_s > ASKED_S else 0.0


def _paused_in_preparation(run: Run) -> RunPaused:
    """A pause before the next step: the run stands where its newest checkpoint does, or at 0."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None:
        return RunPaused(step=0, total_steps=0, path=str(run.path))
    return RunPaused(step=newest.step, total_steps=newest.state["schedule"]["last_step"], path=str(run.path))


def _trainer_of(opened: Opened) -> type["Trainer"]:
    if opened.puzzles is None:
        return Trainer
    from models.training.puzzles.trainer import PuzzleTrainer  # it is made of this one

    return PuzzleTrainer


class Trainer:
    """The loop over one opened training: of text, and in a subclass of something else."""

    def __init__(self, opened: Opened, control: Control) -> None:
        self.opened = opened
        self.run = opened.run
        self.session = opened.session
        self.control = control
        self.depth = default_depth(opened.session.model)
        self.reason = opened.ended
        self.began = time.monotonic() - opened.session.counters.elapsed_s
        self.last_saved = time.monotonic()
        self.stretch_real_s = self.stretch_expected_s = 0.0
        self.step_seconds: list[float] = []
        self.best_unsaved = False
        """Whether the weights as they are were found best, and no checkpoint holds them yet."""

    def events(self) -> Iterator[Event]:
        """Everything from the first step to the last word."""
        session = self.session
        if session.measured.compiled:
            compile_blocks(session.model)
        yield run_started(self.opened)
        if session.counters.step == 0:
            yield self._save("interval")
        while True:
            if self.control.wish == "pause":
                yield self._save("pause")
                yield self._paused()
                return
            if self.control.wish == "stop":
                self.reason = "stopped"
            if evaluation_due(session) or self.reason == "stopped":
                yield from self._evaluate()
                if self.control.wish == "pause":
                    continue
            if falls_due(session, LOOKS):
                yield from self._settle_again()
            if self._finished():
                break
            if self.best_unsaved:
                yield self._save("best")
            elif time.monotonic() - self.last_saved > session.config.checkpoint_minutes * 60:
                yield self._save("interval")
            yield from self._step()
        yield self._save("final")
        for event in self._last_words(self.reason or "steps", time.monotonic() - self.began):
            yield event
            if self.control.wish == "pause" and isinstance(event, EvaluationAdvanced):
                yield self._paused()
                return

    def _last_words(self, reason: str, elapsed_s: float) -> Iterator[Event]:
        return finish(self.opened, reason, elapsed_s)

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
        if result.problem is not None:
            yield from self._skipped(result)
        else:
            counters = session.counters
            before = result.loss if math.isnan(counters.mean_loss) else counters.mean_loss
            counters.mean_loss = 0.9 * before + 0.1 * result.loss
        yield step_finished(session, result, self.step_seconds)

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
        """Loss on part of the validation text, a passage, and the weights if they are the best."""
        session, counters, data = self.session, self.session.counters, self.opened.data
        tokenizer = self.opened.tokenizer
        assert data is not None and tokenizer is not None
        tally = PassTally()
        with session.evaluating() as model, eager(session.measured.compiled):
            losing = evaluate(
                model,
                data.validation,
                self.depth,
                session.measured.number_format,
                at_most=session.config.evaluation_tokens,
                tally=tally,
            )
            while True:
                try:
                    done, total = next(losing)
                except StopIteration as end:
                    loss = end.value
                    break
                yield EvaluationAdvanced(step=counters.step, done=done, total=total)
                if self.control.wish == "pause":
                    losing.close()
                    return
            passage = None
            if sample_due(session):
                passage = sample_passage(model, tokenizer, self._kind, data.validation, self.depth)
            best = loss < counters.best_loss
            if best:
                save_weights(self.run, model.state_dict(), self._metadata())
        counters.last_evaluated = counters.step
        counters.without_better = 0 if best else counters.without_better + 1
        if best:
            counters.best_loss, counters.best_step = loss, counters.step
            self.best_unsaved = True
        yield EvaluationFinished(
            step=counters.step,
            epoch=session.epoch,
            train_loss=counters.mean_loss,
            validation_loss=loss,
            perplexity=math.exp(min(loss, 700.0)),
            bits_per_byte=bits_per_byte(loss, data.validation_tokens, data.validation_bytes),
            best=best,
            passes_per_token=tally.mean,
        )
        if passage is not None:
            yield SampleGenerated(step=counters.step, prompt=passage.prompt, text=passage.text)
        if session.config.target_loss is not None and loss <= session.config.target_loss:
            self.reason = self.reason or "target-loss"
        elif session.config.patience and counters.without_better >= session.config.patience:
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

    @property
    def _kind(self) -> str:
        return str(self.opened.config["data"]["kind"])
