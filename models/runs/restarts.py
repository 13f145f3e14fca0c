"""A training in several processes of this machine, which are started again when one of them fails.

A failure that comes again at the same step would come each time, so the training ends after a few of them.
"""

from collections.abc import Iterable, Mapping, Sequence

from data.storage import storing
from models.errors import ProcessesFailedError
from models.processes.local_processes import Failure, LocalProcesses, Stopped, noted_signals
from models.runs.detached_output import OUTPUT_FILE
from models.runs.events import Event, NoticeGiven, RunFailed, RunFinished, RunPaused
from models.runs.follow import Follower
from models.runs.recording import paused_while_opening, run_failed
from models.runs.run import Run

MAX_RESTARTS = 30
"""How often the processes are started again after one of them failed."""
MAX_FAILURES_AT_STEP = 3
"""After so many failures without a further step, they are not."""


def train_in_local_processes(
    run: Run, command: Sequence[str], count: int, inherited: Mapping[str, str]
) -> int:
    """Run `command`, which trains `run`, in so many processes with the environment variables `inherited`,
    until process 0 ends by itself, and return its exit code.

    The code is 0 too where a process fails after the training has paused or ended. The log of the run tells
    of each restart, and of a failure that ends the training: then the exit code is 1.

    Signals are passed on to the processes, which pause the training. One that comes before they can do this
    ends them, and counts as a pause too. Raises StorageError where they cannot be started.
    """
    follower, furthest, failures, restarts = Follower(run.path), -1, 0, 0
    signals = noted_signals()
    follower.poll()
    earlier = follower.history.ended
    while not signals:
        with storing("the processes"), LocalProcesses(command, count, inherited) as processes:
            ended = processes.wait(signals)
        if isinstance(ended, int):
            return ended
        follower.poll()
        last = follower.history.ended
        if last is not earlier and isinstance(last, RunPaused | RunFinished):
            return 0  # what failed since is only the end of the processes
        if last is not earlier and isinstance(last, RunFailed):
            return 1
        if isinstance(ended, Stopped):
            break
        step = follower.history.step
        failures = 1 if step > furthest else failures + 1
        furthest = max(furthest, step)
        why = _why_it_ends(failures, restarts, furthest, has_signal=bool(signals))
        if why is not None:
            error = ProcessesFailedError(
                f"{why}: {_in_words(ended)}.",
                hint=f"Go on in one process: {{resume {run.name}}}   "
                f"What they printed is in {OUTPUT_FILE} in its folder.",
            )
            _record(run, [run_failed(error, run.path)])
            return 1
        when = f"after step {step:,}" if step else "before the first step"
        words = _in_words(ended)
        message = f"{words[0].upper()}{words[1:]}, {when}. All start again at the newest checkpoint."
        _record(run, [NoticeGiven(message=message, is_warning=True)])
        restarts += 1
    _record(run, [paused_while_opening(run)])
    return 0


def _why_it_ends(failures: int, restarts: int, furthest: int, *, has_signal: bool) -> str | None:
    """Why the processes are not started again, as the start of a sentence; None where they are."""
    if has_signal:
        return "A process failed while the training was to be paused"
    if failures == MAX_FAILURES_AT_STEP:
        return f"The training failed {failures} times and did not get beyond step {furthest:,}"
    if restarts == MAX_RESTARTS:
        return f"The training was started again {restarts} times, and failed once more"
    return None


def _in_words(failure: Failure) -> str:
    who = "a process" if failure.process is None else f"process {failure.process}"
    return f"{who} {failure.reason}"


def _record(run: Run, events: Iterable[Event]) -> None:
    for _ in run.record(events):
        pass
