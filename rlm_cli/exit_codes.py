"""What the exit status of `rlm` means. Scripts rely on these numbers."""

from enum import IntEnum

from data.errors import RlmError, UsageError
from models.errors import DivergedError


class ExitCode(IntEnum):
    """Every status `rlm` ends with on purpose. A bug ends with Python's own 1 and its traceback."""

    OK = 0
    """It did what was asked."""

    FAILED = 1
    """It could not: a file, the disk, a damaged run. The sentence on stderr says what to do."""

    USAGE = 2
    """What was typed or configured cannot be meant."""

    DIVERGED = 3
    """Training lost its footing and rolling back did not help. The saved weights are the last good ones."""

    PAUSED = 130
    """Stopped by the user, and saved where there was something to save."""

    TERMINATED = 143
    """Asked to end by the system (SIGTERM), and saved where there was something to save."""


def exit_code_of(error: RlmError) -> ExitCode:
    """The one place where the class of an error becomes a status."""
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    if isinstance(error, DivergedError):
        return ExitCode.DIVERGED
    return ExitCode.FAILED
