"""Flags of small trainings, and the processes of those that run in the background."""

import os
from pathlib import Path

import psutil

TINY = ["--d-model", "32", "--heads", "2", "--context", "32", "--batch-size", "4", "--threads", "1"]
TINY += ["--device", "cpu", "--number-format", "float32"]
UNMEASURED = [
    "--set",
    "training.compile=no",
    "--set",
    "training.evaluations=1",
    "--set",
    "training.samples=0",
]
"""Further flags, for a training that only has to run on."""
LONG = [*TINY, *UNMEASURED, "--steps", "50000"]
PATIENCE_S = 120.0
"""How long a test waits for a process."""


def processes_in(folder: Path) -> list[psutil.Process]:
    """All processes that run in `folder`, this one excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found
