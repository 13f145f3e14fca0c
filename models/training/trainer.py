"""Training as an iterator of events.

One call trains a new run, goes on with a paused one, and goes on after a crash: what there is to
resume decides.
"""

import math
import time
from collections.abc import Generator, Iterator

from models.evaluation.depth_histogram import PassTally
from models.evaluation.loss import bits_per_byte, evaluate
from models.generation.samples import sample_passage
from models.growth.transaction import recover
from models.planning.extend import extend
from models.runs.best_weights import restore_kept_weights
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.events import (
    EvaluationAdvanced,
    EvaluationFinished,
    Event,
    RunPaused,
    SampleGenerated,
)
from models.runs.run import Run
from models.training.compilation import eager
from models.training.control import Control
from models.training.finish import finish
from models.training.loop import TrainingLoop
from models.training.occasions import sample_due
from models.training.open import Opened, open_training
from models.training.puzzles.trainer import PuzzleTrainer

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
        recover(run)
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
    if newest is None or newest.state.get("begins"):
        return RunPaused(step=0, total_steps=0, path=str(run.path))
    return RunPaused(step=newest.step, total_steps=newest.state["schedule"]["last_step"], path=str(run.path))


def _trainer_of(opened: Opened) -> type[TrainingLoop]:
    return Trainer if opened.puzzles is None else PuzzleTrainer


class Trainer(TrainingLoop):
    """The loop over text."""

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
            best = self._keep_if_best(model, loss)
        counters.last_evaluated = counters.step
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
        self._end_if_good_enough(loss)

    def _last_words(self, reason: str, elapsed_s: float) -> Iterator[Event]:
        return finish(self.opened, reason, elapsed_s)

    @property
    def _kind(self) -> str:
        return str(self.opened.config["data"]["kind"])
