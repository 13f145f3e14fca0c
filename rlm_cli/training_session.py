"""Training as a person sees it: progress, the menu on Ctrl-C, and what to type next.

`rlm train` and `rlm resume` share it.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from models.runs import events
from models.runs.event_words import END_REASONS, describe
from models.runs.events import Event
from rlm_cli import figures
from rlm_cli.exit_codes import ExitCode
from rlm_cli.interrupts import Choice, Interrupts, ask_on_terminal
from rlm_cli.output import Output, drop_broken_streams, may_ask, terminal_streams
from rlm_cli.progress import Silence, View, progress_view
from rlm_cli.run_reference import typed

if TYPE_CHECKING:
    from models.runs.run import Run
    from models.training.control import Control

Outcome = TypeVar("Outcome")


def follow_training(run: "Run", output: Output, planned_at: float | None = None) -> ExitCode:
    """Train `run` to its end or to a pause. Raises what the trainer raises.

    `planned_at` is when the planning of it began, in seconds since the epoch: the minutes of a training
    count from there.
    """
    from models.training.control import Control
    from models.training.trainer import train

    waited_s = 0.0 if planned_at is None else max(0.0, time.time() - planned_at)
    control = Control(began=time.monotonic() - waited_s)
    last, code = show_training(run.record(train(run, control)), control, output, typed(run))
    match last:
        case events.RunFinished():
            _show_result(last, output, typed(run))
            return ExitCode.OK
        case events.RunPaused():
            if (words := describe(last)) is not None:
                output.say(words.text)
            output.say(f"Go on with:  rlm resume {typed(run)}")
    return code


def show_training(
    stream: Iterator[Event], control: "Control", output: Output, run_name: str
) -> tuple[Event | None, ExitCode]:
    """Show every event, and ask the user what an interrupt means.

    Returns the last event, and the exit status for a pause.
    """
    last: Event | None = None
    terminals = terminal_streams()
    with Interrupts(control) as interrupts, progress_view(output) as view:
        shown: View = view
        for event in stream:
            last = event
            try:
                shown.show(event)
            except OSError:
                # The reader of the progress is gone: save the run, and write nothing more.
                control.pause()
                drop_broken_streams()
                shown = Silence()
            if interrupts.hung_up:
                drop_broken_streams(terminals)
            if interrupts.pending:
                interrupts.decide(_question(view, control, output, run_name))
    return last, interrupts.exit_code


def show_progress(steps: Generator[Event, None, Outcome], output: Output) -> Outcome:
    """Show the events of a generator and return what it returns."""
    with closing(steps), progress_view(output) as view:
        while True:
            try:
                view.show(next(steps))
            except StopIteration as end:
                return end.value


@contextmanager
def interruptible_creation(output: Output) -> Iterator[None]:
    """Ctrl-C inside ends the command with one sentence: there is no run yet that could be paused."""
    try:
        yield
    except KeyboardInterrupt:
        output.say("\nStopped. Nothing was created.")
        raise typer.Exit(ExitCode.PAUSED) from None


@contextmanager
def interruptible_continuation(output: Output, run: "Run") -> Iterator[None]:
    """The same while `run` is given a text to learn. A change that was committed before Ctrl-C is
    completed when the run is next opened."""
    try:
        yield
    except KeyboardInterrupt:
        output.say(f"\nStopped. Run '{run.name}' is intact: it is as before, or already at this text.")
        output.say(f"Go on with it:  rlm resume {typed(run)}")
        raise typer.Exit(ExitCode.PAUSED) from None


def _question(view: View, control: "Control", output: Output, run_name: str) -> Callable[[], Choice]:
    def ask() -> Choice:
        if not may_ask():
            return Choice.PAUSE
        with control.waiting(), view.suspended():
            choice = ask_on_terminal(output, run_name)
            if choice is not Choice.GO_ON:
                output.say("Saving...")
            return choice

    return ask


def _show_result(event: events.RunFinished, output: Output, run: str) -> None:
    """The results of a finished run on stdout, and the next command, which names it as `run`."""
    by_mode = "   ".join(f"{mode} {loss:.4f}" for mode, loss in event.validation_loss_by_mode.items())
    rows = [
        ("run", event.path),
        ("ended", f"{END_REASONS.get(event.reason, event.reason)}, at step {event.step:,}"),
        _final_evaluation(event),
        ("by mode", by_mode),
        ("time", f"{figures.duration(event.elapsed_s)} at {event.tokens_per_second:,.0f} tokens/s"),
    ]
    output.pairs(row for row in rows if row[1])
    if event.exact_accuracy is not None:
        output.say(f"\nGive it one:  rlm solve {run} PUZZLE")
    else:
        output.say(f"\nTalk to it:  rlm chat {run}")


def _final_evaluation(event: events.RunFinished) -> tuple[str, str]:
    weights = f"weights of step {event.best_step:,}"
    if event.exact_accuracy is not None:
        shares = event.exact_accuracy, event.cell_accuracy or 0.0, event.mean_exit_step or 0.0
        return "solves", f"{figures.solving(*shares)}, {weights}"
    return "validation loss", (
        f"{event.validation_loss:.4f} nats per token (perplexity {event.perplexity:.2f}, "
        f"{event.bits_per_byte:.3f} bits per byte), {weights}"
    )
