"""Errors of the model layer, below the root the data layer owns."""

from data.errors import RlmError


class RunError(RlmError):
    """A run directory is damaged, or is not one."""


class RunBusyError(RunError):
    """Another process is writing to this run."""


class CheckpointError(RunError):
    """A checkpoint is missing, truncated, or does not fit the model."""


class DivergedError(RlmError):
    """Training lost its footing and rolling back did not help."""
