"""Shows a training that runs in another process, and starts one there."""

import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from data.errors import RlmError
from models.errors import RunError
from models.processes.local_processes import signal_codes
from models.runs import events
from models.runs.detached import exit_code, start_detached
from models.runs.detached_output import OUTPUT_FILE, last_error, printed, unlogged_failure
from models.runs.event_words import describe
from models.runs.events import Event
from models.runs.follow import Follower
from models.runs.history import History
from models.runs.lock import name_reserved, reserving_lock
from models.runs.recording import paused_while_opening
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Output
from rlm_cli.program import program
from rlm_cli.progress import View, progress_view
from rlm_cli.run_reference import quoted_reference, reference

if TYPE_CHECKING:
    from models.runs.run import Run

_POLL_S = 0.2
_LOCK_PATIENCE_S = 2.0  # longer than a training needs from its last event to letting go of the lock
_ENDS = (events.RunPaused, events.RunFailed, events.RunFinished)
_STOPPED = {
    code
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None  # Windows has no SIGHUP
    for code in signal_codes(number)
}
"""The exit codes of a process that a signal asked to end."""
_CODES = {"DivergedError": ExitCode.DIVERGED, "UsageError": ExitCode.USAGE}
"""The exit code of a training by the kind of its error; FAILED for every other one."""


def watch_training(run: "Run", output: Output) -> ExitCode:
    """Show the training of `run` until it ends, then how it ended.

    With JSON output, show every event of its log. Ctrl-C leaves the training alone. Raises RunError where
    nothing trains the run and no event tells of an end.
    """
    follower = Follower(run.path)
    try:
        with progress_view(output) as view:
            if output.is_json:
                _show(view, follower.every_event())
            else:
                follower.poll()
            if follower.history.ended is not None:
                wait_until_idle(run)
            if run.is_busy():
                output.say(f"Watching {run.name}. Ctrl-C leaves it training.", style="dim")
                if not output.is_json:
                    _show(view, _last_events(follower.history))
            _show_until(_ENDS, follower, view, run.is_busy)
            wait_until_idle(run)
    except KeyboardInterrupt:
        return _leave(run, output)
    return report_end(run, follower.history, output)


def train_detached(
    run: "Run", output: Output, began_at: float | None = None, processes: int = 1, *, shard: bool = False
) -> int:
    """Train `run` in processes of its own, and return when its first step follows. The exit code is returned.

    `began_at` as in `follow_training`. Where the training fails before, its error is shown.
    """
    follower = Follower(run.path)
    follower.poll()
    earlier = follower.history.ended
    log = run.path / OUTPUT_FILE
    printed_before = len(printed(log))
    process = start_training(run, began_at, processes, shard=shard)
    try:
        with progress_view(output) as view:
            started = _show_until(
                (events.RunStarted,), follower, view, is_running=lambda: exit_code(process) is None
            )
    except KeyboardInterrupt:
        return _leave(run, output)
    if started:
        output.result(reference(run))
        output.say(f"Follow it:  {program()} watch {quoted_reference(run)}")
        return ExitCode.OK
    log_stop(run, follower, earlier, exit_code(process))
    ended = follower.history.ended
    if ended is None or ended is earlier:
        output.error(last_error(printed(log)[printed_before:]) or _ended_without_a_word(run))
    else:
        report_end(run, follower.history, output)
        if isinstance(ended, events.RunPaused):  # several processes exit as after a success
            return ExitCode.PAUSED
    code = exit_code(process)
    return ExitCode.FAILED if code is None or code < 0 else code


def log_stop(run: "Run", follower: Follower, earlier: Event | None, code: int | None) -> None:
    """Log a pause of `run` where its log has no other end than `earlier`, and the exit `code` of the process
    that was to train it says that a signal ended it: it could not answer yet."""
    if code not in _STOPPED or follower.history.ended not in (None, earlier):
        return
    for _ in run.record([paused_while_opening(run)]):
        pass
    follower.poll()


def start_training(
    run: "Run",
    began_at: float | None,
    processes: int = 1,
    *,
    shard: bool = False,
    is_attached: bool = False,
) -> int:
    """Start `rlm train-run` for `run`, which stays reserved for it. The process id is returned. With `shard`,
    the processes divide the model among them. With `is_attached`, several processes pause where this one
    ends."""
    arguments = ["train-run", str(run.path), "--program", program(), *(["--shard"] if shard else [])]
    if began_at is not None:
        arguments += ["--began-at", str(began_at)]
    with reserving_lock(run.path) as reservation:  # so that it belongs to nobody else until the other has it
        inherited = [] if reservation is None else [reservation]
        if processes > 1:  # the process that starts them keeps it open, over every restart
            arguments += ["--nproc", str(processes), *(["--attached"] if is_attached else [])]
        else:
            for number in inherited:
                arguments += ["--reservation", str(number)]
        process = start_detached(arguments, run.path / OUTPUT_FILE, inherited, is_attached=is_attached)
        name_reserved(run.path, process)
    return process


def _show(view: View, shown: Iterable[Event]) -> None:
    for event in shown:
        view.show(event)


def _show_until(
    ends: tuple[type[Event], ...], follower: Follower, view: View, is_running: Callable[[], bool]
) -> bool:
    """Show what comes, until it is one of `ends` or nothing runs any more. Returns whether one came."""
    progress: Event | None = None
    while True:
        was_running = is_running()  # looked at first, so that all that was written until then is read
        for event in follower.every_event():
            view.show(event)
            if isinstance(event, ends):
                return True
        if not was_running:
            return False
        if follower.history.progress not in (None, progress):
            progress = follower.history.progress
            view.show(progress)
        time.sleep(_POLL_S)


def _last_events(history: History) -> list[Event]:
    """The events that tell where a training is."""
    last = [history.evaluations[-1] if history.evaluations else None, history.last_step]
    return [event for event in last if event is not None]


def wait_until_idle(run: "Run") -> None:
    """Let a process that trained `run` let go of it. One that trains on is not waited for."""
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while run.is_busy() and time.monotonic() < deadline:
        time.sleep(0.05)


def _leave(run: "Run", output: Output) -> ExitCode:
    name = quoted_reference(run)
    output.say(f"\n{run.name} goes on training.")
    output.say(f"Follow it:  {program()} watch {name}")
    output.say(f"Pause it:   {program()} pause {name}")
    return ExitCode.PAUSED


def report_end(run: "Run", history: History, output: Output) -> ExitCode:
    """Say how the training ended, and what comes next. Raises RunError where no event tells of an end."""
    if history.phase == "new":
        has_text = run.config().data is not None
        train = f"{{resume {run.in_command}}}" if has_text else f"{{train FILE name={run.in_command}}}"
        raise RunError(f"Run '{run.name}' is not training.", hint=f"Have it train: {train}")
    if history.progress is not None:
        raise unlogged_end(run)
    go_on = f"Continue:  {program()} resume {quoted_reference(run)}"
    match history.ended:
        case events.RunFinished() as finished:
            from rlm_cli.training_session import show_end

            show_end(finished, run, output)
            return ExitCode.OK
        case events.RunPaused() as paused:
            if (words := describe(paused)) is not None:
                output.say(words.text)
            output.say(go_on)
            return ExitCode.OK
        case events.RunFailed() as failed:
            output.error(RlmError(failed.message, hint=failed.hint))
            output.say(go_on)
            return _CODES.get(failed.kind, ExitCode.FAILED)
        case _:
            raise unlogged_end(run)


def unlogged_end(run: "Run") -> RlmError:
    """Why a training ended whose log does not tell."""
    failed = unlogged_failure(run.events_path)
    return _ended_without_a_word(run) if failed is None else RlmError(failed.message, hint=failed.hint)


def _ended_without_a_word(run: "Run") -> RunError:
    return RunError(
        f"The process that trained '{run.name}' ended without a word: it crashed, or was killed.",
        hint=f"Go on from its last checkpoint: {{resume {run.in_command}}}",
    )
