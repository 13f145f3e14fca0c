"""The one table that turns an event into words, for the training log and for the terminal."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data.format import format_accuracy
from data.wording import counted, percent
from models.runs import events
from models.runs.events import Event

END_REASONS = {
    "steps": "all steps done",
    "time": "the time is up",
    "epochs": "the text was read as often as planned",
    "target-loss": "target loss reached",
    "patience": "no better for a while",
    "stopped": "stopped by you",
}
"""Why a training finished, by `RunFinished.reason`."""
_SHOWN_OF_PROMPT = 40  # characters


@dataclass(frozen=True, slots=True)
class Words:
    """`text` says what happened: a line, or several. `details` are more figures, for a log; often none."""

    text: str
    details: str = ""


def describe(event: Event) -> Words | None:
    """The event in words. None where it is only progress. Strings in it are not made safe for a terminal."""
    match event:
        case events.NoticeGiven():
            return Words(event.message)
        case events.RunStarted():
            return _started(event)
        case events.StepFinished():
            return _step(event)
        case events.EvaluationFinished():
            return _evaluation(event)
        case events.SampleGenerated():
            return Words(_sample(event))
        case events.CheckpointSaved():
            return Words(f"Checkpoint at step {event.step:,} ({event.reason}).", event.path)
        case events.SchedulePlanned():
            return _planned(event)
        case events.SourceStartedOver():
            return Words(
                f"step {event.step:,}  all of {event.source} was read once "
                f"({counted(event.tokens, 'token')}); it starts over in another order."
            )
        case events.VersionRestored():
            return Words(f"Went back to version {event.version}.")
        case events.CorpusStarted() | events.CorporaMeasured() | events.ModelExpanded():
            return _text_or_growth(event)
        case events.StepSkipped() | events.RolledBack() | events.MicroBatchHalved():
            return _trouble(event)
        case events.RunPaused() | events.RunFailed() | events.RunFinished():
            return _end(event)
        case _:
            return None


def _planned(event: events.SchedulePlanned) -> Words:
    again = f" at step {event.step:,}" if event.step else ""
    before = f" instead of {event.instead_of:,}" if event.instead_of else ""
    steps, seconds = counted(event.total_steps, "step"), _seconds(event.seconds_per_step)
    reason = f", because {event.reason}" if event.reason else ""
    return Words(f"Planned{again}: {steps}{before}, about {seconds} each{reason}.")


def _started(event: events.RunStarted) -> Words:
    if event.start_step:
        text = f"Going on from step {event.start_step:,} of {event.total_steps:,}{_in_processes(event)}."
    else:
        text = f"Started: {counted(event.total_steps, 'step')}{_in_processes(event)}."
    return Words(
        text,
        f"run {event.run}  {event.architecture}  {event.parameters:,} parameters "
        f"({event.embedding_parameters:,} embedding)  vocabulary {event.vocab_size}  "
        f"context {event.context_length}  batch {event.batch_size}  "
        f"{event.device} {event.number_format}{' compiled' if event.compiled else ''}, "
        f"{counted(event.threads, 'thread')}  {event.train_tokens:,} training tokens, "
        f"{event.validation_tokens:,} validation tokens",
    )


def _in_processes(event: events.RunStarted) -> str:
    return f", in {counted(event.processes, 'process')}" if event.processes > 1 else ""


def _step(event: events.StepFinished) -> Words:
    waited = ""
    if event.slowest_process is not None:
        waited = f"  process {event.slowest_process} slowest by {1000 * (event.waited_for_s or 0.0):.0f} ms"
    return Words(
        f"step {event.step:,}/{event.total_steps:,}  loss {_number(event.loss)}  "
        f"{_speed(event.tokens_per_second)}  {_duration(event.eta_s)} left",
        f"epoch {event.epoch:.2f}  perplexity {_perplexity(event.loss)}  rate {event.learning_rate:.2e}  "
        f"gradient {_number(event.gradient_norm)}  depth {event.depth}{waited}",
    )


def _evaluation(event: events.EvaluationFinished) -> Words:
    validation = (
        f"validation loss {_number(event.validation_loss)}  ({event.bits_per_byte:.3f} bits per byte)"
    )
    details = f"epoch {event.epoch:.2f}  train loss {_number(event.train_loss)}"
    if event.exact_accuracy is not None:
        grids, cells = 100 * event.exact_accuracy, 100 * (event.cell_accuracy or 0.0)
        details += f"  {validation}"
        validation = (
            f"solves {grids:.1f} % of the grids, {cells:.1f} % of the cells, "
            f"{event.mean_exit_step or 0.0:.2f} steps"
        )
    best = "  best so far" if event.best else ""
    if event.accuracy is not None:
        right = f"right answers  {format_accuracy(event.accuracy)}"
        details += f"  validation loss {_number(event.validation_loss)}"
        return Words(f"step {event.step:,}  {right}{best}", details)
    if event.losses is not None:
        details += "  by source: " + ", ".join(f"{name} {_number(x)}" for name, x in event.losses.items())
    return Words(
        f"step {event.step:,}  {validation}{best}", f"{details}  perplexity {_number(event.perplexity)}"
    )


def _sample(event: events.SampleGenerated) -> str:
    prompt = event.prompt.replace("\n", " ")
    if len(prompt) > _SHOWN_OF_PROMPT:
        prompt = "..." + prompt[-_SHOWN_OF_PROMPT:]
    passage = prompt + (event.text if event.text.strip() else " (nothing but blanks)")
    return f"Sample, step {event.step:,}: {passage.strip()}"


def _text_or_growth(
    event: events.CorpusStarted | events.CorporaMeasured | events.ModelExpanded,
) -> Words:
    match event:
        case events.CorpusStarted():
            return Words(
                f"New text {event.corpus}; {percent(event.replay_share)} of the training repeats "
                "earlier texts.",
                f"{counted(event.known_corpora, 'earlier text')}  vocabulary {event.vocab_size}  "
                f"{event.replay_reason}",
            )
        case events.CorporaMeasured():
            return Words("\n".join(_loss_lines(event)))
        case events.ModelExpanded():
            grown = ", ".join(f"{name} {change}" for name, change in event.grown.items())
            return Words(
                f"step {event.step:,}  grown from {event.parameters_before:,} to {event.parameters:,} "
                f"parameters ({grown}); checked: same output as before",
                f"after {counted(event.characters_seen, 'character')}  "
                f"largest change of a logit {event.largest_logit_change:.1e}",
            )


def _loss_lines(event: events.CorporaMeasured) -> Iterator[str]:
    """The loss of each text before and now, and the change in percent."""
    when = "before and now" if event.losses_before else f"at step {event.step:,}"
    yield f"Loss on each text, in nats per token, {when}:"
    width = max((len(name) for name in event.losses), default=0)
    for name, loss in event.losses.items():
        before = event.losses_before.get(name)
        if not before:
            yield f"{name:<{width}}  {loss:.4f}"
        else:
            yield f"{name:<{width}}  {before:.4f} -> {loss:.4f}  ({100 * (loss / before - 1):+.1f} %)"


def _trouble(event: events.StepSkipped | events.RolledBack | events.MicroBatchHalved) -> Words:
    match event:
        case events.StepSkipped():
            return Words(
                f"Step {event.step:,} left out: {event.reason}.",
                f"loss {_number(event.loss)}  gradient {_number(event.gradient_norm)}",
            )
        case events.RolledBack():
            return Words(
                f"Back to step {event.to_step:,}, with the learning rate times "
                f"{event.learning_rate_scale:.2g}.",
                f"from step {event.step:,}",
            )
        case events.MicroBatchHalved():
            pieces = counted(event.accumulation, "piece")
            return Words(f"Memory is short: {pieces} of {event.micro_batch} per step from here on.")


def _end(event: events.RunPaused | events.RunFailed | events.RunFinished) -> Words:
    match event:
        case events.RunPaused():
            progress = f" at step {event.step:,} of {event.total_steps:,}" if event.total_steps else ""
            return Words(f"Paused{progress}, and saved.", event.path)
        case events.RunFailed():
            return Words(f"Failed: {event.message}", event.kind)
        case events.RunFinished():
            by_mode = ", ".join(f"{mode} {_number(x)}" for mode, x in event.validation_loss_by_mode.items())
            of_text = (
                f"perplexity {_number(event.perplexity)}  bits per byte {_number(event.bits_per_byte)}  "
            )
            return Words(
                f"Finished at step {event.step:,}: {END_REASONS.get(event.reason, event.reason)}.",
                f"validation loss {_number(event.validation_loss)} at step {event.best_step:,} ({by_mode})  "
                f"{of_text if event.accuracy_by_mode is None else ''}{sittings(event, _duration)}",
            )


def sittings(event: events.RunFinished, in_words: Callable[[float], str]) -> str:
    """How long a training took: in this sitting and in total, where there was another."""
    if event.sitting_s is None or event.elapsed_s - event.sitting_s < 1.0:
        return in_words(event.elapsed_s)
    return f"{in_words(event.sitting_s)} now, {in_words(event.elapsed_s)} in all"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "not finite"


def _perplexity(loss: float) -> str:
    return _number(math.exp(loss) if loss < 700 else math.inf)  # beyond that exp overflows


def _speed(tokens_per_second: float) -> str:
    return f"{tokens_per_second:,.0f} tokens/s" if math.isfinite(tokens_per_second) else "- tokens/s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown time"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
