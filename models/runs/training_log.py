"""The readable diary of a training: `training.log`, one timestamped line per thing worth knowing.

The event log is for programs; this is for a person with a pager. Steps come several times a
second, so only one every few seconds is written, and always the last one before something else
happens. Text from a model or a file is made safe, because a log is shown on terminals.
"""

import math
from collections.abc import Iterator
from datetime import datetime

from data.safe_text import safe_text
from models.runs import events
from models.runs.events import Event

STEP_INTERVAL_S = 10.0


class TrainingDiary:
    """Turns a stream of events into lines; it remembers the last step it has not written."""

    def __init__(self) -> None:
        self._written_at = -math.inf
        self._held_back: events.StepFinished | None = None

    def lines(self, event: Event) -> Iterator[str]:
        """The lines, without newlines, that `event` adds to the diary: none, one or several."""
        if isinstance(event, events.StepFinished):
            if abs(event.time - self._written_at) < STEP_INTERVAL_S:  # abs: clocks are set back, too
                self._held_back = event
                return
            self._written_at, self._held_back = event.time, None
        text = describe(event)
        if text is None:
            return
        if self._held_back is not None:
            self._written_at = self._held_back.time
            yield _stamped(self._held_back, describe(self._held_back) or "")
            self._held_back = None
        first, *rest = safe_text(text).split("\n")
        yield _stamped(event, first)
        yield from (f"    | {line}" for line in rest)


def describe(event: Event) -> str | None:
    """The event in words: a line, or several where it carries text; None where it is only progress."""
    match event:
        case events.RunStarted():
            verb = "started" if event.start_step == 0 else f"resumed at step {event.start_step}"
            return (
                f"{verb} run {event.run}  {event.architecture}  {event.parameters:,} parameters "
                f"({event.embedding_parameters:,} embedding)  vocabulary {event.vocab_size}  "
                f"context {event.context_length}  batch {event.batch_size}  {event.total_steps} steps  "
                f"{event.device} {event.number_format}{' compiled' if event.compiled else ''}, "
                f"{event.threads} threads  {event.train_tokens:,} training tokens, "
                f"{event.validation_tokens:,} validation tokens"
            )
        case events.StepFinished():
            return (
                f"step {event.step}/{event.total_steps}  epoch {event.epoch:.2f}  "
                f"loss {_number(event.loss)}  perplexity {_perplexity(event.loss)}  "
                f"rate {event.learning_rate:.2e}  gradient {_number(event.gradient_norm)}  "
                f"depth {event.depth}  {event.tokens_per_second:,.0f} tokens/s  {_duration(event.eta_s)} left"
            )
        case events.EvaluationFinished():
            return (
                f"evaluation at step {event.step}  epoch {event.epoch:.2f}  "
                f"train loss {_number(event.train_loss)}  validation loss {_number(event.validation_loss)}  "
                f"perplexity {_number(event.perplexity)}  bits per byte {_number(event.bits_per_byte)}"
                f"{'  best so far' if event.best else ''}"
            )
        case events.SampleGenerated():
            return f"sample at step {event.step}, after {event.prompt!r}:\n{event.text}"
        case events.CheckpointSaved():
            return f"checkpoint at step {event.step} ({event.reason}): {event.path}"
        case _:
            return _describe_rest(event)


def _describe_rest(event: Event) -> str | None:
    match event:
        case events.NoticeGiven():
            return f"note: {event.message}"
        case events.ScheduleSettled():
            return f"schedule: {event.total_steps} steps of {event.seconds_per_step:.3f} s"
        case events.CorpusBegun():
            return (
                f"begins with {event.corpus}, knowing {event.known_corpora} more  "
                f"vocabulary {event.vocab_size}  "
                f"replay {100 * event.replay_share:.3g} % ({event.replay_reason})"
            )
        case events.CorporaMeasured():
            return f"known texts at step {event.step}: " + ", ".join(
                f"{name} {_number(loss)}"
                + (f" (was {_number(event.losses_before[name])})" if name in event.losses_before else "")
                for name, loss in event.losses.items()
            )
        case events.ModelExpanded():
            return (
                f"grown at step {event.step}, after {event.characters_seen:,} characters: "
                f"{event.parameters_before:,} to {event.parameters:,} parameters  "
                f"largest logit change {event.largest_logit_change:.1e}"
            )
        case events.StepSkipped():
            return (
                f"step {event.step} skipped ({event.reason}): loss {_number(event.loss)}, "
                f"gradient {_number(event.gradient_norm)}"
            )
        case events.RolledBack():
            return (
                f"rolled back from step {event.step} to step {event.to_step}, "
                f"learning rate times {event.learning_rate_scale:g}"
            )
        case events.MicroBatchHalved():
            return (
                f"out of memory: batches of {event.micro_batch}, {event.accumulation} per step, from now on"
            )
        case events.RunPaused():
            return f"paused at step {event.step}/{event.total_steps}: {event.path}"
        case events.RunFinished():
            by_mode = ", ".join(
                f"{mode} {_number(loss)}" for mode, loss in event.validation_loss_by_mode.items()
            )
            return (
                f"finished ({event.reason}) at step {event.step} after {_duration(event.elapsed_s)}  "
                f"best step {event.best_step}  validation loss {_number(event.validation_loss)} ({by_mode})  "
                f"perplexity {_number(event.perplexity)}  bits per byte {_number(event.bits_per_byte)}"
            )
        case _:
            return None


def _stamped(event: Event, text: str) -> str:
    return f"{datetime.fromtimestamp(event.time):%Y-%m-%d %H:%M:%S}  {text}"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "not finite"


def _perplexity(loss: float) -> str:
    return _number(math.exp(loss) if loss < 700 else math.inf)  # beyond that exp overflows


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
