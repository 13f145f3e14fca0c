"""Errors about runs. Every error of rlm is an RlmError (data/errors.py): a sentence, and a hint."""

import os
import shlex
from pathlib import Path

from data.errors import RlmError


class RunError(RlmError):
    """A run's folder is damaged, or is no run.

    Raised where a file of a run is read, before anything is changed.
    """


class RunBusyError(RunError):
    """Another process holds the lock of the run.

    The message names that process.
    """


class CheckpointError(RunError):
    """A checkpoint or weights file is missing, damaged, or of another model.

    Nothing of it was loaded.
    """


class DivergedError(RlmError):
    """Training diverged, and returning to earlier checkpoints did not help.

    The run stays as its last checkpoint has it.
    """


class ProcessLostError(RlmError):
    """Another process of the training ended, so that this one cannot go on.

    The run stands at its last checkpoint. It is not recorded: the processes are started again.
    """

    def __init__(self) -> None:
        super().__init__(
            "Another process of this training ended, so it cannot go on.",
            hint="Go on from its last checkpoint: {resume}",
        )


class ProcessesFailedError(RlmError):
    """Processes of a training failed, and are not started again.

    The run stands at its last checkpoint.
    """


def in_command(path: Path) -> str:
    """How a command in a hint names the run in that folder: by its path, quoted as for a shell.

    A front end writes the name instead where it means the same.
    """
    return shlex.quote(os.path.abspath(path))
