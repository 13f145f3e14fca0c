"""The exit codes of `rlm`. Scripts rely on these numbers."""

from enum import IntEnum

from data.errors import RlmError, UsageError
from models.errors import DivergedError, ProcessLostError
from models.processes.placement import OTHERS_ENDED


class ExitCode(IntEnum):
    """The exit codes that `rlm` uses. An unexpected exception ends with 1 and a traceback."""

    OK = 0
    """Success."""

    FAILED = 1
    """A failure, such as a full disk or a damaged run. The message on stderr says what to do."""

    USAGE = 2
    """A mistake in the arguments or the configuration."""

    DIVERGED = 3
    """Training diverged, and rolling back did not help. The saved weights are the last good ones."""

    PROCESS_LOST = OTHERS_ENDED
    """Of several processes of a training: another one of them ended. They are started again."""

    PAUSED = 130
    """Stopped by the user. A training is saved."""

    HUNG_UP = 129
    """Stopped because the window was closed. A training is saved, and gives PAUSED."""

    PIPE_CLOSED = 141
    """Ended quietly because nothing reads the output any more, as in `rlm ls | head -1`. A training is
    saved."""

    TERMINATED = 143
    """Stopped by SIGTERM. A training is saved."""


def exit_code_of(error: RlmError) -> ExitCode:
    """The exit code of an error, by its class."""
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    if isinstance(error, DivergedError):
        return ExitCode.DIVERGED
    if isinstance(error, ProcessLostError):
        return ExitCode.PROCESS_LOST
    return ExitCode.FAILED
