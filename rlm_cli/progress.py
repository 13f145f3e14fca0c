"""Shows the events of a training as a live bar, plain lines, or JSON Lines.

`progress_view` chooses a view by the form of the output. `models.runs.event_words` gives the words.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

from data.safe_text import safe_text
from models.runs import events
from models.runs.event_json import to_json
from models.runs.event_words import describe
from models.runs.events import Event
from models.runs.history import History
from rlm_cli.format import format_duration, format_short_count
from rlm_cli.output import Form, Output, write
from rlm_cli.streams import stderr_is_terminal
from rlm_cli.wording import in_cli_words

_PLAIN_INTERVAL_S = 5.0
_REDRAW_INTERVAL_S = 0.15
_HIDDEN_EVENTS = (events.CheckpointSaved, events.RunPaused, events.RunFailed, events.RunFinished)
"""Events without a line: checkpoints are routine, and the end is reported after the training."""


class View(Protocol):
    """Shows events. Enter it before the first event and leave it after the last."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Show one event. Raises OSError if the terminal or pipe is closed."""

    def suspended(self) -> Any:
        """A context without the bar, for a question on the terminal."""


def progress_view(output: Output) -> View:
    """The view for the form of the output, and for a terminal or a pipe."""
    if output.form is Form.JSON:
        return JsonLines()
    if output.form is Form.QUIET:
        return SilentView()
    return LiveBar(output) if stderr_is_terminal() else PlainLines(output)


class SilentView:
    """Shows nothing. The other views inherit from it."""

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


class JsonLines(SilentView):
    """Every event as one line of JSON on stdout."""

    def show(self, event: Event) -> None:
        if isinstance(event, events.NoticeGiven | events.RunFailed):
            event = replace(event, message=in_cli_words(event.message))
        if isinstance(event, events.RunFailed) and event.hint is not None:
            event = replace(event, hint=in_cli_words(event.hint))
        write(to_json(event) + "\n")


class PlainLines(SilentView):
    """Prints a line to stderr every few seconds, for a log or a pipe.

    `clock` gives seconds from any start.
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
            self._print_at_intervals(_preparation_line(event), at_once=new_stage)
        elif isinstance(event, events.StepFinished):
            self._print_at_intervals(step_line(event), at_once=event.step in (1, event.total_steps))
        else:
            for line in event_lines(event):
                self._output.say(line)

    def _print_at_intervals(self, line: str, *, at_once: bool) -> None:
        now = self._clock()
        if at_once or now >= self._next_line_at:
            self._next_line_at = now + _PLAIN_INTERVAL_S
            self._output.say(line)


class LiveBar(SilentView):
    """Draws a progress bar. Evaluations, samples and notices are printed above it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress, self._task = _bar(output)
        self._history = History()
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
        self._history.add(event)
        if isinstance(event, events.PreparationAdvanced):
            self._draw(event.stage, event.done, event.total)
        elif isinstance(event, events.EvaluationAdvanced):
            self._draw("evaluating", event.done, event.total)
        elif isinstance(event, events.StepFinished):
            self._draw("training", event.step, event.total_steps, _step_details(event, self._history))
        else:
            for line in event_lines(event):
                self._output.say(line)

    def _draw(self, stage: str, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if now - self._drawn_at < _REDRAW_INTERVAL_S and done < total:
            return
        self._drawn_at = now
        self._progress.update(
            self._task, description=safe_text(stage), completed=done, total=total or None, details=text
        )
        self._progress.refresh()


def event_lines(event: Event) -> list[str]:
    """The lines that stay on the screen for an event. Empty if it only moves the bar."""
    if isinstance(event, _HIDDEN_EVENTS):
        return []
    if isinstance(event, events.RunStarted) and not event.start_step:
        return []
    if isinstance(event, events.SchedulePlanned) and event.step:  # it only changes the end of the bar
        return []
    words = describe(event)
    if words is None:
        return []
    if isinstance(event, events.NoticeGiven):
        return [in_cli_words(words.text)]
    first, *rest = words.text.split("\n")
    lines = [first, *("  " + line for line in rest)]
    return ["", *lines, ""] if isinstance(event, events.SampleGenerated) else lines


def step_line(event: events.StepFinished) -> str:
    """A step as one line."""
    words = describe(event)
    return "" if words is None else words.text


def _bar(output: Output) -> tuple[Any, Any]:
    from rich.progress import BarColumn, Progress, TextColumn

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TextColumn("{task.fields[details]}", markup=False),
        console=output.stderr,
        # Events redraw the bar. A thread for this would slow the training down.
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        expand=True,
    )
    return progress, progress.add_task("starting", total=None, details="")


def _preparation_line(event: events.PreparationAdvanced) -> str:
    if not event.total:
        return event.stage
    return f"{event.stage} {100 * event.done / event.total:.0f}%"


def _step_details(event: events.StepFinished, history: History) -> str:
    """A short text beside the bar."""
    validation = f"  val {history.evaluations[-1].validation_loss:.3f}" if history.evaluations else ""
    return (
        f"loss {event.loss:.3f}{validation}  {format_short_count(event.tokens_per_second)} tok/s"
        f"  {format_duration(event.eta_s)} left"
    )
