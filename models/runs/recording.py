"""Recording a training: its events go to the event log and the training log, and on to the caller."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from data.errors import RlmError, StorageError, UsageError
from models.errors import ProcessLostError, RunBusyError, in_command
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.event_log import LineAppender, append_event
from models.runs.events import Event, RunFailed, RunPaused
from models.runs.live_progress import ProgressFile
from models.runs.lock import folder_identity
from models.runs.training_log import TrainingLogLines

if TYPE_CHECKING:
    from models.runs.run import Run

_LONGEST_MESSAGE = 2000  # characters of an error that is not ours: some carry a whole stack


def record_events(coming: Iterable[Event], event_log: Path, training_log: Path) -> Iterator[Event]:
    """Write each lasting event to both logs, and progress for other processes, then pass every event on.

    An error that ends `coming` is recorded and passed on as RunFailed, and then raised. A refusal
    (RunBusyError or UsageError before the first event) leaves the logs alone, and so does the loss of another
    process, after which the training is started again. Raises StorageError where a log cannot be written. A
    generator is closed at the end, also where the caller stops early.
    """
    refused = True
    progress = ProgressFile(event_log.parent)
    with _Logs(event_log, training_log) as logs:
        try:
            for event in coming:
                refused = False
                progress.note(event)
                logs.write(event)
                yield event
        except ProcessLostError:
            raise
        except Exception as error:
            if refused and isinstance(error, RunBusyError | UsageError):
                raise
            failed = run_failed(error, event_log.parent)
            with contextlib.suppress(StorageError):  # the first error is the one to tell
                logs.write(failed)
            yield failed
            raise
        finally:
            if (close := getattr(coming, "close", None)) is not None:
                close()


def run_failed(error: Exception, folder: Path) -> RunFailed:
    """The event that tells of `error` in the run in `folder`. Its hint names the run by its name: the folder
    may be moved."""
    kind = type(error).__name__
    if isinstance(error, RlmError):
        hint = None if error.hint is None else error.hint.replace(in_command(folder), folder.name)
        return RunFailed(kind=kind, message=error.message, hint=hint)
    text = str(error)[:_LONGEST_MESSAGE]
    return RunFailed(kind=kind, message=f"{kind}: {text}" if text else kind)


def paused_while_opening(run: "Run") -> RunPaused:
    """A pause before the next step: the run stands at its newest checkpoint, or at step 0."""
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is None or newest.state.is_initial:
        return RunPaused(step=0, total_steps=0, path=str(run.path))
    total_steps = newest.state.schedule.last_step
    if newest.step >= total_steps:  # it is to go on, and how far is not planned yet
        total_steps = 0
    return RunPaused(step=newest.step, total_steps=total_steps, path=str(run.path))


class _Logs:
    """Both logs, opened when there is something to write.

    Nothing is written where the folder was moved before that and another run is in its place.
    """

    def __init__(self, event_log: Path, training_log: Path) -> None:
        self._paths = event_log, training_log
        self._identity = folder_identity(event_log.parent)
        self._open: tuple[LineAppender, LineAppender] | None = None
        self._files = contextlib.ExitStack()
        self._lines = TrainingLogLines()

    def __enter__(self) -> "_Logs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def write(self, event: Event) -> None:
        if not event.lasting:
            return
        if self._open is None:
            if folder_identity(self._paths[0].parent) not in (None, self._identity):
                return
            log, text = (self._files.enter_context(LineAppender(path)) for path in self._paths)
            self._open = log, text
        log, text = self._open
        append_event(log, event)
        for line in self._lines.of(event):
            text.append(line)
