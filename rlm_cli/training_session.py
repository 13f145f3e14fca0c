"""Runs a training for `rlm train` and `rlm resume`: progress, the Ctrl-C menu, and the result."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from data.format import format_accuracy, format_duration, format_loss, format_puzzle_scores
from data.puzzle_words import PLURALS
from models.depth import best_mode_words
from models.generation.run_defaults import mode_losses
from models.runs import events
from models.runs.evaluation import Evaluation
from models.runs.event_words import END_REASONS, describe, sittings
from models.runs.events import Event
from rlm_cli.exit_codes import ExitCode
from rlm_cli.interrupts import Choice, Interruptible, Interrupts, ask_on_terminal, no_lost_signal
from rlm_cli.output import Form, Output
from rlm_cli.plot.draw import show_curve_at_end
from rlm_cli.program import program
from rlm_cli.progress import SilentView, View, progress_view
from rlm_cli.run_reference import quoted_reference
from rlm_cli.streams import (
    OutputError,
    drop_broken_streams,
    may_ask,
    stderr_is_terminal,
    stdout_is_terminal,
    terminal_streams,
)

if TYPE_CHECKING:
    from models.runs.history import History
    from models.runs.run import Run
    from models.training.team import Team

Result = TypeVar("Result")


def follow_training(
    run: "Run", output: Output, began_at: float | None = None, team: "Team | None" = None
) -> ExitCode:
    """Train `run` until it ends or pauses, in several processes where there is a `team`. Passes on
    exceptions of the trainer.

    `began_at` is when the minutes of the training began, in seconds since the epoch; None for now. With a
    `team`, a pause counts as a success: torchrun would start the processes again.
    """
    with no_lost_signal():
        from models.training.control import Control
        from models.training.trainer import train

    waited_s = 0.0 if began_at is None else max(0.0, time.time() - began_at)
    control = Control(began=time.monotonic() - waited_s)
    last, code = show_training(run.record(train(run, control, team)), control, output)
    match last:
        case events.RunFinished():
            show_end(last, run, output)
            return ExitCode.OK
        case events.RunPaused():
            if (words := describe(last)) is not None:
                output.say(words.text)
            output.say(f"Continue:  {program()} resume {quoted_reference(run)}")
            if team is not None:
                return ExitCode.OK
    return code


def show_training(
    stream: Iterator[Event | None],
    control: Interruptible,
    output: Output,
    end: Callable[[], None] | None = None,
) -> tuple[Event | None, ExitCode]:
    """Show every event. After a Ctrl-C, ask the user what to do.

    None in the stream means that there is nothing new. `end` is as in `Interrupts`. Returns the last event,
    and the exit code of a pause.
    """
    last: Event | None = None
    terminals = terminal_streams()
    with Interrupts(control, end) as interrupts, progress_view(output) as view:
        active_view: View = view
        for event in stream:
            last = event or last
            try:
                if event is not None:
                    active_view.show(event)
            except OutputError as error:
                # The pipe or terminal is closed, or the disk is full. Save the run.
                control.pause()
                drop_broken_streams([error.stream])
                output.error(error.as_rlm_error())
                interrupts.exit_code = ExitCode.PIPE_CLOSED if error.is_closed_pipe else ExitCode.FAILED
                active_view = SilentView()
            if interrupts.terminal_closed:
                drop_broken_streams(terminals)
            if interrupts.pending:
                interrupts.decide(_question(view, control, output))
    return last, interrupts.exit_code


def show_progress(steps: Generator[Event, None, Result], output: Output) -> Result:
    """Show the events of a generator and return what it returns."""
    with closing(steps), progress_view(output) as view:
        while True:
            try:
                view.show(next(steps))
            except StopIteration as end:
                return end.value


@contextmanager
def interruptible_creation(output: Output) -> Iterator[None]:
    """Ctrl-C inside this context ends the command. There is no run to pause yet."""
    try:
        yield
    except KeyboardInterrupt:
        output.say("\nStopped. Nothing was created.")
        raise typer.Exit(ExitCode.PAUSED) from None


@contextmanager
def interruptible_continuation(output: Output, run: "Run") -> Iterator[None]:
    """Ctrl-C inside this context ends the command while `run` is changed. A change that was already
    committed is completed when the run is opened again."""
    try:
        yield
    except KeyboardInterrupt:
        output.say(f"\nStopped. Run '{run.name}' is intact: unchanged, or ready to learn this text.")
        output.say(f"Continue:  {program()} resume {quoted_reference(run)}")
        raise typer.Exit(ExitCode.PAUSED) from None


def _question(view: View, control: Interruptible, output: Output) -> Callable[[], Choice]:
    def ask() -> Choice:
        if not may_ask():
            return Choice.PAUSE
        with control.waiting(), view.suspended():
            choice = ask_on_terminal(output)
            if choice is not Choice.GO_ON:
                output.say("Saving...")
            return choice

    return ask


def show_end(event: events.RunFinished, run: "Run", output: Output) -> None:
    """Show the curve of a finished training on a terminal, then its results and the next command."""
    history = run.history()
    if output.form is Form.HUMAN and stdout_is_terminal() and stderr_is_terminal():
        show_curve_at_end(history, output)
    _show_result(event, history, output, run)


def _show_result(event: events.RunFinished, history: "History", output: Output, run: "Run") -> None:
    """Print the results of a finished run, and the next command."""
    name = quoted_reference(run)
    by_mode = "   ".join(f"{mode} {loss:.4f}" for mode, loss in event.validation_loss_by_mode.items())
    rows = [
        ("run", event.path),
        ("ended", f"{END_REASONS.get(event.reason, event.reason)}, at step {event.step:,}"),
        _final_evaluation(event, run),
        ("  measured on", _part_read(run)),
        ("  while training", _loss_on_a_part(event, history)),
        ("by mode", by_mode),
        ("best mode", best_mode_words(mode_losses(run)) or ""),
        ("time", f"{sittings(event, format_duration)}, at {event.tokens_per_second:,.0f} tokens/s"),
    ]
    output.pairs(row for row in (*rows, *_right_answers(event)) if row[1])
    if event.accuracy_by_mode is not None:
        from rlm_cli.problem_answers import show_example

        show_example(run, output)
        output.say(f"\nAnother one:  {program()} solve {name} --random")
    elif event.exact_accuracy is not None:
        output.say(f"\nSolve a puzzle:  {program()} solve {name} --random")
    else:
        output.say(f"\nTalk to it:  {program()} chat {name}")


def _right_answers(event: events.RunFinished) -> Iterator[tuple[str, str]]:
    """Of problems: the share of right answers at each mode, by difficulty."""
    for number, (mode, accuracy) in enumerate((event.accuracy_by_mode or {}).items()):
        yield "right answers" if number == 0 else "", f"{mode:<8}  {format_accuracy(accuracy)}"


def _loss_on_a_part(event: events.RunFinished, history: "History") -> str:
    """The loss that was shown for the best weights, where a part of the held-out text gave another one."""
    if event.exact_accuracy is not None or event.accuracy_by_mode is not None:
        return ""
    shown = [one for one in history.evaluations if one.step == event.best_step]
    if not shown or format_loss(shown[-1].validation_loss) == format_loss(event.validation_loss):
        return ""
    return f"{format_loss(shown[-1].validation_loss)}, measured on a part of the held-out text"


def _part_read(run: "Run") -> str:
    """The part of the held-out tokens that the last evaluation read; empty for all of them."""
    evaluation = run.evaluation()
    return (evaluation.part_in_words or "") if isinstance(evaluation, Evaluation) else ""


def _final_evaluation(event: events.RunFinished, run: "Run") -> tuple[str, str]:
    weights = f"weights of step {event.best_step:,}"
    if event.exact_accuracy is not None:
        grids = PLURALS.get(run.config().puzzle_task or "", "grids")
        shares = event.exact_accuracy, event.cell_accuracy or 0.0, event.mean_exit_step or 0.0
        return "solves", f"{format_puzzle_scores(*shares, grids)}, {weights}"
    if event.accuracy_by_mode is not None:
        return "validation loss", f"{event.validation_loss:.4f} nats per character of an answer, {weights}"
    return "validation loss", (
        f"{event.validation_loss:.4f} nats per token (perplexity {event.perplexity:.2f}, "
        f"{event.bits_per_byte:.3f} bits per byte), {weights}"
    )
