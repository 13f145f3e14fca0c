"""What a detached training prints: its warnings, its error or its results."""

import re
from pathlib import Path

from data.errors import RlmError
from data.plain_file import UnreadableFileError, read_plain_file
from models.runs.events import RunFailed

OUTPUT_FILE = "detached.log"
_LARGEST = 64 << 20  # bytes
_ERROR = re.compile(r"^error: ", re.MULTILINE)


def printed(log: Path) -> str:
    """All that detached trainings have printed to `log`; empty where there is none."""
    try:
        return read_plain_file(log, _LARGEST).decode("utf-8", "replace")
    except (FileNotFoundError, UnreadableFileError):
        return ""


def last_error(text: str) -> RlmError | None:
    """The last error in what was printed, with what follows it, or else all of it; None without a text."""
    *_, last = _ERROR.split(text.strip())
    message, _, hint = last.strip().partition("\n")
    return RlmError(message, hint=hint or None) if message else None


def unlogged_failure(events: Path) -> RunFailed | None:
    """The error that a detached training printed after the last line of its log `events`.

    The log does not tell of it where it could not be written, as on a full disk. None where the training
    printed no error, or was killed later.
    """
    log = events.with_name(OUTPUT_FILE)
    try:
        ended = log.stat().st_mtime_ns
        if ended < events.stat().st_mtime_ns:
            return None
    except OSError:
        return None
    text = printed(log)
    if not _ERROR.search(text) or (error := last_error(text)) is None:
        return None
    return RunFailed(time=ended / 1e9, kind="RlmError", message=error.message, hint=error.hint)
