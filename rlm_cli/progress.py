"""Shows the events of a training as a live bar, plain lines, or JSON Lines.

`progress_view` chooses a view by the form of the output. `models.runs.event_words` gives the words.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

from data.format import format_clock, format_duration, format_short_count
from models.runs import events
from models.runs.event_json import to_json
from models.runs.event_words import describe
from models.runs.events import Event
from models.runs.history import History
from rlm_cli.output import Form, Output, write
from rlm_cli.pace import Pace
from rlm_cli.progress_bar import ProgressBar
from rlm_cli.streams import stderr_is_terminal
from rlm_cli.wording import in_cli_words

_PLAIN_INTERVAL_S = 5.0
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
        return WarningsOnly(output)
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


class WarningsOnly(SilentView):
    """Prints warnings to stderr, and nothing else."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, event: Event) -> None:
        if isinstance(event, events.NoticeGiven) and event.is_warning:
            self._output.warn(event.message)


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
        self._pace = Pace(clock)

    def show(self, event: Event) -> None:
        is_shown = self._pace.shows(event)
        if isinstance(event, events.PreparationAdvanced):
            if event.stage != self._stage:
                self._stage = event.stage
                self._print_at_intervals(f"{event.stage}...", at_once=True)
            elif event.total:
                share = 100 * event.done / event.total
                self._print_at_intervals(f"{event.stage}... {share:.0f}%", at_once=False)
        elif isinstance(event, events.StepFinished):
            self._print_at_intervals(step_line(event), at_once=event.step in (1, event.total_steps))
        elif is_shown:
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
        self._bar = ProgressBar(output.stderr)
        self._pace = Pace()
        self._history = History()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def show(self, event: Event) -> None:
        self._history.add(event)
        is_shown = self._pace.shows(event)
        if isinstance(event, events.PreparationAdvanced):
            self._bar.draw(event.stage, event.done, event.total)
        elif isinstance(event, events.EvaluationAdvanced):
            self._bar.draw("evaluating", event.done, event.total)
        elif isinstance(event, events.StepFinished):
            self._bar.draw("training", event.step, event.total_steps, step_details(event, self._history))
        elif is_shown:
            for line in event_lines(event):
                self._output.say(line)


def event_lines(event: Event) -> list[str]:
    """The lines that stay on the screen for an event. Empty if it only moves the bar."""
    if isinstance(event, _HIDDEN_EVENTS):
        return []
    if isinstance(event, events.RunStarted) and not event.start_step and event.processes == 1:
        return []
    if isinstance(event, events.SchedulePlanned) and event.step and not event.instead_of:
        return []  # it only moves the end of the bar a little
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


def step_details(event: events.StepFinished, history: History) -> list[tuple[int, str]]:
    """Texts beside the bar, with their importance: the time left stays longest."""
    details = [
        (4, f"step {event.step:,}/{event.total_steps:,}"),
        (3, f"loss {event.loss:.3f}"),
        (0, f"{format_short_count(event.tokens_per_second)} tok/s"),
        (5, f"{format_duration(event.eta_s)} left"),
    ]
    if event.slowest_process is not None:
        waited_ms = 1000 * (event.waited_for_s or 0.0)
        details.insert(3, (0, f"process {event.slowest_process} slowest by {waited_ms:.0f} ms"))
    if history.evaluations:
        details.insert(2, (2, f"val {history.evaluations[-1].validation_loss:.3f}"))
    if math.isfinite(event.eta_s):
        details.append((1, f"until {format_clock(time.time() + event.eta_s)}"))
    return details
