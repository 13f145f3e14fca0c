"""The runs of a folder as the home screen shows them. Needs neither torch nor textual."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.errors import RlmError
from models.runs.detached_output import OUTPUT_FILE
from models.runs.history import text_started_at
from models.runs.listing import RunSummary, run_folders, summarize
from models.runs.lock import is_locked
from models.runs.run import Run
from models.runs.sampled_losses import sampled_losses

State = Literal["created", "preparing", "training", "paused", "killed", "failed", "finished", "damaged"]
RESUMABLE: frozenset[State] = frozenset({"paused", "killed", "failed"})
TEACHABLE: frozenset[State] = RESUMABLE | {"finished"}
CURVE_POINTS = 24
_FILES = (
    "config.json",
    "events.jsonl",
    "model.safetensors",
    "evaluation.json",
    "datasets.json",
    "checkpoints",
    OUTPUT_FILE,
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: its summary, and a few of its training losses, ascending by their steps."""

    summary: RunSummary
    losses: tuple[float, ...] = ()

    @property
    def state(self) -> State:
        return state_of(self.summary)

    @property
    def is_busy(self) -> bool:
        """Whether a process has the run."""
        return self.summary.status == "training"

    @property
    def share(self) -> float | None:
        """How much of the training is done, from 0 to 1; None where its length is not known."""
        total = self.summary.total_steps
        return min(1.0, self.summary.step / total) if total else None


def state_of(summary: RunSummary) -> State:
    """The state of a run, on every screen."""
    if summary.is_preparing:
        return "preparing"
    if summary.failure is not None:
        return "failed"
    return "killed" if summary.was_killed else summary.status


class RunList:
    """The runs in one folder. A run is read again only when one of its files or its lock has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[Path, tuple[object, RunRow]] = {}

    def read(self) -> list[RunRow]:
        """The runs there are now, the most recently changed first. Raises RunError as `list_runs` does."""
        found: dict[Path, tuple[object, RunRow]] = {}
        for path in run_folders(self.folder):
            mark = _mark(path)
            known = self._known.get(path)
            if known is not None and known[0] == mark:
                found[path] = known
                continue
            with contextlib.suppress(RlmError, OSError):  # it was removed meanwhile
                found[path] = mark, _read(path)
        self._known = found
        rows = [row for _, row in found.values()]
        return sorted(rows, key=lambda row: row.summary.modified, reverse=True)


def _read(path: Path) -> RunRow:
    summary = summarize(path)
    since = None
    if summary.problem is None:
        since = text_started_at(Run(summary.path).config())
    return RunRow(summary, tuple(sampled_losses(path / "events.jsonl", CURVE_POINTS, since)))


def _mark(path: Path) -> tuple[object, ...]:
    """What changes whenever the row of a run may change."""
    marks: list[object] = [is_locked(path)]
    for name in _FILES:
        try:
            status = (path / name).stat()
            marks.append((status.st_mtime_ns, status.st_size))
        except OSError:
            marks.append(None)
    return tuple(marks)
