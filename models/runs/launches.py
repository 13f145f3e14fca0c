"""Which launch by torchrun trained a run last.

torchrun starts the same command again after a process was lost. The command must then go on with its run
instead of making another one, or of extending it again.
"""

from pathlib import Path

from data.errors import RlmError
from models.processes.placement import Placement
from models.runs.listing import has_finished
from models.runs.run import Run
from models.runs.run_names import run_names

LAUNCH_FILE = "launch.json"


def note_launch(run: Run, place: Placement) -> None:
    """Remember that this launch trains `run`. Raises StorageError."""
    run.write_json(LAUNCH_FILE, {"launch": place.launch})


def run_of_launch(folder: Path, place: Placement) -> Run | None:
    """The unfinished run in `folder` that an earlier start of this launch trained.

    A launch without a name of its own is only recognised after a restart: its number may have been that of
    another one before.
    """
    if not place.restarts and not place.is_named:
        return None
    for name in run_names(folder):
        try:
            run = Run.open(name, folder)
            noted = run.read_json(LAUNCH_FILE)
        except RlmError:
            continue
        if noted is not None and noted.get("launch") == place.launch and not has_finished(run):
            return run
    return None
