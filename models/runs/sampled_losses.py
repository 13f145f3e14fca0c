"""The course of a training's loss from a few places in its log, for a picture of some characters.

A log of many hours is not read for that: only some lines at even distances are.
"""

import math
import os
from pathlib import Path

from data.plain_file import open_plain_file
from models.runs.event_log import parse_line
from models.runs.events import StepFinished

_PIECE = 4096  # bytes, some times a line of a step


def sampled_losses(path: Path, count: int, since: float | None = None) -> list[float]:
    """At most `count` training losses of the event log at `path`, ascending by their steps.

    Steps that a later line undid are left out, and those from before `since`, in seconds since the epoch.
    Empty where the log cannot be read.
    """
    steps: list[StepFinished] = []
    for step in _steps(path, count):
        if since is not None and step.time < since:
            continue
        while steps and steps[-1].step >= step.step:
            steps.pop()
        steps.append(step)
    return [step.loss for step in steps if math.isfinite(step.loss)]


def _steps(path: Path, count: int) -> list[StepFinished]:
    """The first step in each of `count` pieces of the log."""
    found = []
    try:
        with open_plain_file(path, follow_links=False) as file:
            size = file.seek(0, os.SEEK_END)
            for place in sorted({(size * number) // count for number in range(count)}):
                file.seek(place)
                # The first line of a piece is cut, unless it begins the file.
                lines = file.read(_PIECE).split(b"\n")[0 if place == 0 else 1 : -1]
                step = next(
                    (event for line in lines if isinstance(event := parse_line(line), StepFinished)), None
                )
                if step is not None:
                    found.append(step)
    except OSError:
        return found
    return found
