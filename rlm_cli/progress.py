"""An iterator of events made visible: a live bar, plain lines, or JSON Lines.

`progress_view` chooses by what the output is; all of them take the same events in the same
order. A view draws and decides nothing: interrupts belong to `rlm_cli.interrupts`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

from data.safe_text import safe_text
from models.runs import events
from models.runs.events import Event
from models.wording import counted
from rlm_cli import figures
from rlm_cli.output import Form, Output, stderr_is_terminal, write
from rlm_cli.wording import in_cli_words

_PLAIN_INTERVAL_S = 5.0
_REDRAW_INTERVAL_S = 0.15
_SHOWN_OF_PROMPT = 40


class View(Protocol):
    """Something that shows events. Entered before the first and left after the last."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Draw one event. Raises OSError where there is nothing left to draw on."""

    def suspended(self) -> Any:
        """A context in which the terminal is free for a question."""


def progress_view(output: Output) -> View:
    """The view that fits the output's form and the terminal there is."""
    if output.form is Form.JSON:
        return JsonLines()
    if output.form is Form.QUIET:
        return Silence()
    return LiveBar(output) if stderr_is_terminal() else PlainLines(output)


class Silence:
    """Shows nothing. The base of the other views."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: Event) -> None:
        return None

    @contextmanager
    def suspended(self) -> Iterator[None]:
        yield


class JsonLines(Silence):
    """Every event as one line of JSON on stdout."""

    def show(self, event: Event) -> None:
        if isinstance(event, events.NoticeGiven):
            event = replace(event, message=in_cli_words(event.message))
        write(events.to_json(event) + "\n")


class PlainLines(Silence):
    """One line every few seconds on stderr, for a log or a pipe.

    `clock` gives seconds and only ever differences of it are used.
    """

    def __init__(self, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._clock = clock
        self._next_line_at = 0.0
        self._stage = ""

    def show(self, event: Event) -> None:
        if isinstance(event, events.PreparationAdvanced):
            new_stage = event.stage != self._stage
            self._stage = event.stage
            self._occasionally(_preparation_line(event), at_once=new_stage)
        elif isinstance(event, events.StepFinished):
            self._occasionally(_step_line(event), at_once=event.step in (1, event.total_steps))
        else:
            for line in lasting_lines(event):
                self._output.say(line)

    def _occasionally(self, line: str, *, at_once: bool) -> None:
        now = self._clock()
        if at_once or now >= self._next_line_at:
            self._next_line_at = now + _PLAIN_INTERVAL_S
            self._output.say(line)


class LiveBar(Silence):
    """A bar that moves, with what lasts (evaluations, samples, notices) printed above it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress, self._task = _bar(output)
        self._validation_loss: float | None = None
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # the terminal may have hung up
            self._progress.stop()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def show(self, event: Event) -> None:
        if isinstance(event, events.PreparationAdvanced):
            self._draw(event.stage, event.done, event.total)
        elif isinstance(event, events.EvaluationAdvanced):
            self._draw("evaluating", event.done, event.total)
        elif isinstance(event, events.StepFinished):
            self._draw("training", event.step, event.total_steps, _step_figures(event, self._validation_loss))
        else:
            if isinstance(event, events.EvaluationFinished):
                self._validation_loss = event.validation_loss
            for line in lasting_lines(event):
                self._output.say(line)

    def _draw(self, stage: str, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if now - self._drawn_at < _REDRAW_INTERVAL_S and done < total:
            return
        self._drawn_at = now
        self._progress.update(
            self._task, description=safe_text(stage), completed=done, total=total or None, figures=text
        )
        self._progress.refresh()


def lasting_lines(event: Event) -> list[str]:
    """What a person wants to find when scrolling back. Empty for what only moves the bar."""
    match event:
        case events.NoticeGiven():
            return [in_cli_words(event.message)]
        case events.RunStarted() if event.start_step:
            return [f"Going on from step {event.start_step:,} of {event.total_steps:,}."]
        case events.ScheduleSettled(step=0):  # later ones move the bar's end, and that is enough
            steps = counted(event.total_steps, "step")
            return [f"Planned: {steps}, about {_pace(event.seconds_per_step)} each."]
        case events.EvaluationFinished():
            return [_evaluation_line(event)]
        case events.CorpusBegun():
            share = f"{100 * event.replay_share:.3g} % of what it reads repeats earlier texts"
            return [f"It goes on with {event.corpus}; {share}."]
        case events.CorporaMeasured():
            return known_lines(event)
        case events.ModelExpanded():
            grown = ", ".join(f"{name} {change}" for name, change in event.grown.items())
            return [
                f"step {event.step:,}  grown from {event.parameters_before:,} to {event.parameters:,} "
                f"parameters ({grown}); largest change of a logit {event.largest_logit_change:.1e}"
            ]
        case events.SampleGenerated():
            return ["", *_sample_lines(event), ""]
        case events.StepSkipped():
            return [f"Step {event.step:,} left out: {event.reason}."]
        case events.RolledBack():
            return [
                f"Back to step {event.to_step:,}, "
                f"with the learning rate times {event.learning_rate_scale:.2g}."
            ]
        case events.MicroBatchHalved():
            pieces = counted(event.accumulation, "piece")
            return [f"Memory is short: {pieces} of {event.micro_batch} per step from here on."]
        case _:
            return []


def known_lines(event: events.CorporaMeasured) -> list[str]:
    """What the model knows of each text: its loss before and now, and what that is in percent."""
    width = max((len(name) for name in event.losses), default=0)
    if not event.losses_before:
        return ["Before the first step:", *(f"  {n:<{width}}  {x:.4f}" for n, x in event.losses.items())]
    lines = ["What it knows, in nats per token before and now:"]
    for name, loss in event.losses.items():
        before = event.losses_before.get(name)
        change = "" if not before else f"  {before:.4f} -> {loss:.4f}  ({100 * (loss / before - 1):+.1f} %)"
        lines.append(f"  {name:<{width}}{change or f'  {loss:.4f}'}")
    return lines


def _bar(output: Output) -> tuple[Any, Any]:
    from rich.progress import BarColumn, Progress, TextColumn

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TextColumn("{task.fields[figures]}", markup=False),
        console=output.stderr,
        # No thread of its own: it is redrawn when something happened, and leaves the cores alone.
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        expand=True,
    )
    return progress, progress.add_task("starting", total=None, figures="")


def _preparation_line(event: events.PreparationAdvanced) -> str:
    if not event.total:
        return event.stage
    return f"{event.stage} {100 * event.done / event.total:.0f}%"


def _step_figures(event: events.StepFinished, validation_loss: float | None) -> str:
    validation = "" if validation_loss is None else f"  val {validation_loss:.3f}"
    return (
        f"loss {event.loss:.3f}{validation}  {figures.short_count(event.tokens_per_second)} tok/s"
        f"  {figures.duration(event.eta_s)} left"
    )


def _step_line(event: events.StepFinished) -> str:
    return f"step {event.step:,}/{event.total_steps:,}  {_step_figures(event, None)}"


def _evaluation_line(event: events.EvaluationFinished) -> str:
    best = "  best so far" if event.best else ""
    if event.exact_accuracy is not None:
        shares = event.exact_accuracy, event.cell_accuracy or 0.0, event.mean_exit_step or 0.0
        return f"step {event.step:,}  solves {figures.solving(*shares)}{best}"
    return (
        f"step {event.step:,}  validation loss {event.validation_loss:.4f}"
        f"  ({event.bits_per_byte:.3f} bits per byte){best}"
    )


def _pace(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _sample_lines(event: events.SampleGenerated) -> list[str]:
    asked = event.prompt.partition("\n")[0]
    if len(asked) > _SHOWN_OF_PROMPT:
        asked = asked[:_SHOWN_OF_PROMPT] + "..."
    after = f', after "{asked}"' if asked else ""
    written = event.text.strip() or "(nothing but blanks)"
    return [
        f"It writes, at step {event.step:,}{after}:",
        *("  " + line for line in written.split("\n")),
    ]
