"""The runs of a folder at a glance: quick, without torch, and never stopped by a damaged one.

A log can be long, so only its first and last parts are looked at, and of those only the lines of
the few kinds that matter here.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.errors import RlmError
from models.runs import events
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.event_log import parse_line
from models.runs.events import Event
from models.runs.run import CONFIG_FILE, Run, last_change
from models.runs.weights_file import weights_problem

Status = Literal["created", "training", "paused", "finished", "damaged"]

_HEAD = 64 << 10
_TAILS = (64 << 10, 1 << 20, 8 << 20)  # tried in turn until an evaluation is in sight
_MARKS: dict[type[Event], bytes] = {
    events.RunStarted: b'{"event": "run_started"',
    events.StepFinished: b'{"event": "step_finished"',
    events.EvaluationFinished: b'{"event": "evaluation_finished"',
    events.ScheduleSettled: b'{"event": "schedule_settled"',
    events.RolledBack: b'{"event": "rolled_back"',
    events.RunPaused: b'{"event": "run_paused"',
    events.RunFinished: b'{"event": "run_finished"',
}
_FILES = ("datasets.json", "evaluation.json", "generation_config.json")
_TRACES = (CONFIG_FILE, "events.jsonl", "checkpoints", "model.safetensors")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of a listing. None where a run does not say.

    `status`: training while a process has the run; paused where `rlm resume` can go on, after a
    crash and before the first step too; created before it was given a text. `validation_loss` is
    the best known, in nats per token; `modified` is in seconds since the epoch.
    """

    name: str
    path: Path
    architecture: str | None
    parameters: int | None
    vocab_size: int | None
    status: Status
    step: int
    total_steps: int | None
    validation_loss: float | None
    modified: float
    corpus: str | None
    problem: str | None = None


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every run in a folder, the most recently changed first. A missing folder holds none.

    A folder with any trace of a run is listed, as damaged where it cannot be opened. Links and
    folders without such a trace are not.
    """
    try:
        entries = [entry for entry in os.scandir(runs_dir) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    paths = [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
    summaries = [summarize(path) for path in paths if any(os.path.lexists(path / trace) for trace in _TRACES)]
    return sorted(summaries, key=lambda summary: summary.modified, reverse=True)


def summarize(path: Path) -> RunSummary:
    """The summary of the run in one folder."""
    run, problem = Run(path.resolve()), None
    config: dict[str, Any] = {}
    files: dict[str, Any] = {}
    try:
        run = Run.open(path.resolve(), path.parent)
        config = run.read_config()
        files = {name: run.read_json(name) for name in _FILES}
    except RlmError as error:
        problem = error.message
    log = _LogGlance(run.events_path, _since(config))
    status: Status = "damaged" if problem is not None else _status(run, config, files["evaluation.json"], log)
    if status == "finished" and (lacking := weights_problem(run.weights_path)) is not None:
        status, problem = "damaged", f"it is finished, but its {lacking}"
        if newest_checkpoint(run.checkpoints_path) is not None:
            problem += f"; get it back: rlm resume {run.name}"
    started = log.last(events.RunStarted)
    planned = log.last(events.RunStarted, events.ScheduleSettled, events.StepFinished, events.RunPaused)
    latest = log.last(events.StepFinished, events.RolledBack, events.RunPaused, events.RunFinished)
    step = _whole(_of(latest, "to_step"), _of(latest, "step"), _of(started, "start_step")) or 0
    model, datasets = config.get("model"), files.get("datasets.json") or []
    return RunSummary(
        name=run.name,
        path=run.path,
        architecture=_text(
            _of(started, "architecture"), _get(model, "architecture"), config.get("architecture")
        ),
        parameters=_whole(config.get("parameters"), _of(started, "parameters"), _get(model, "parameters")),
        vocab_size=_whole(_get(model, "vocab_size"), _of(started, "vocab_size"), config.get("vocab_size")),
        status=status,
        step=step,
        # A log that tells of no step yet, as that of a run which grew from a finished one, tells its last.
        total_steps=_whole(_of(planned, "total_steps")) or (step if status == "finished" else None) or None,
        validation_loss=log.validation_loss(),
        modified=last_change(run.path),
        corpus=_text(config.get("corpus"), *(dataset.get("name") for dataset in datasets)),
        problem=problem,
    )


def _since(config: Mapping[str, Any]) -> float | None:
    """When a run that learned another text before began with the one it is at; else None."""
    started = config.get("started_at")
    return float(started) if "replay" in config and isinstance(started, (int, float)) else None


class _LogGlance:
    """The few events of a log a summary needs, found without parsing the rest."""

    def __init__(self, path: Path, since: float | None) -> None:
        """Of what happened before `since`, in seconds since the epoch, nothing is told: it was with another
        text."""
        tail = b""
        for size in _TAILS:
            tail = _part(path, -size, size)
            if _MARKS[events.EvaluationFinished] in tail or len(tail) < size:
                break
        lines = [*_part(path, 0, _HEAD).split(b"\n")[:-1], *tail.split(b"\n")[:-1]]
        found: dict[type[Event], list[tuple[int, bytes]]] = {kind: [] for kind in _MARKS}
        for position, line in enumerate(lines):
            for kind, mark in _MARKS.items():
                if line.startswith(mark):
                    found[kind].append((position, line))
        self._last = {kind: _last_parsed(places, since) for kind, places in found.items()}
        self._evaluations = [
            event
            for _, line in found[events.EvaluationFinished]
            if (event := parse_line(line)) and _is_since(event, since)
        ]

    def last(self, *kinds: type[Event]) -> Event | None:
        """The event of these kinds that stands last in the log."""
        return max((self._last[kind] for kind in kinds), key=lambda place: place[0])[1]

    def validation_loss(self) -> float | None:
        finished = self.last(events.RunStarted, events.RunPaused, events.RunFinished)
        if isinstance(finished, events.RunFinished):
            return _finite(finished.validation_loss)
        losses = [_finite(_of(event, "validation_loss")) for event in self._evaluations]
        return min((loss for loss in losses if loss is not None), default=None)


def _last_parsed(places: list[tuple[int, bytes]], since: float | None) -> tuple[int, Event | None]:
    for position, line in reversed(places):
        if (event := parse_line(line)) is not None and _is_since(event, since):
            return position, event
    return -1, None


def _is_since(event: Event, since: float | None) -> bool:
    return since is None or not event.time < since


def _status(run: Run, config: Mapping[str, Any], evaluation: Any, log: _LogGlance) -> Status:
    if run.is_busy():
        return "training"
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is not None and newest.state.get("begins"):
        return "paused"  # another text was given to it, and no step was taken on it yet
    if newest is not None and _get(config.get("extension"), "from_step") == newest.step:
        return "paused"  # more was asked for, and none of it is kept yet
    if isinstance(log.last(events.RunStarted, events.RunPaused, events.RunFinished), events.RunFinished):
        return "finished"
    if "data" not in config:
        return "created"
    # Killed between the last evaluation and the last word, it is finished all the same.
    if newest is None or newest.state.get("ended") is None:
        return "paused"
    return "finished" if _get(evaluation, "after_steps") == newest.step else "paused"


def _part(path: Path, start: int, size: int) -> bytes:
    """Up to `size` bytes from `start`, counted from the end where negative. Nothing where unreadable."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length + start) if start < 0 else start)
            return file.read(size)
    except OSError:
        return b""


# What a log says is taken only in the type it should have: the file may be a stranger's.
def _of(event: Event | None, name: str) -> Any:
    return getattr(event, name, None)


def _get(mapping: Any, key: str) -> Any:
    return mapping.get(key) if isinstance(mapping, dict) else None


def _whole(*values: Any) -> int | None:
    return next((value for value in values if type(value) is int), None)


def _text(*values: Any) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
