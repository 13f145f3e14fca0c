"""The runs of a folder at a glance: quick, without torch, and never stopped by a damaged one.

A log can be long, so only its first and last parts are looked at, and of those only the lines of
the few kinds that matter here.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from data.errors import RlmError
from data.plain_file import open_plain_file
from data.puzzle_words import PUZZLES_IN_WORDS
from models.runs import events
from models.runs.checkpoint_folder import newest_checkpoint
from models.runs.datasets import Dataset
from models.runs.detached_output import unlogged_failure
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.event_json import wire_name
from models.runs.event_log import parse_line
from models.runs.events import RunFailed
from models.runs.history import History, text_started_at
from models.runs.incomplete import is_incomplete
from models.runs.run import Run
from models.runs.run_config import RunConfig
from models.runs.run_folder import size_of_tree
from models.runs.run_names import folders_in, has_trace_of_run, last_change
from models.runs.weights_file import weights_problem

Status = Literal["created", "training", "paused", "finished", "damaged"]

_HEAD = 64 << 10  # bytes
_TAILS = (64 << 10, 1 << 20, 8 << 20)  # tried in turn until the best loss is in it
_KINDS = (
    events.RunStarted,
    events.CorpusStarted,
    events.SchedulePlanned,
    events.StepFinished,
    events.RolledBack,
    events.EvaluationFinished,
    events.RunPaused,
    events.RunFailed,
    events.RunFinished,
    events.VersionRestored,
)
_MARKS = {kind: b'{"event": "' + wire_name(kind).encode() + b'"' for kind in _KINDS}
"""What a line of each kind that matters here starts with."""
_BEST_EVALUATION = re.compile(
    b'^%s.*"best": true' % re.escape(_MARKS[events.EvaluationFinished]), re.MULTILINE
)
_FILES = ("datasets.json", "evaluation.json", "generation_config.json")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of a listing. None where it is not known.

    `status`: training while a process has the run; paused where it can be resumed, also before the
    first step, after a crash and after an error (`failure`); created before it has a text.
    `validation_loss` is the best known, in nats per token; `modified` is in seconds since the epoch.
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
    bytes: int
    """Of all its files, versions included."""
    problem: str | None = None
    failure: RunFailed | None = None
    was_killed: bool = False
    """Whether its last training ended without a word, as by a kill or a crash of the machine."""
    last_step: events.StepFinished | None = None
    puzzle_task: str | None = None
    """Of a run that solves puzzles: sudoku, maze or grid."""
    answers_problems: bool = False
    is_preparing: bool = False
    """Whether a process has the run and takes no steps yet."""

    @property
    def solves_puzzles(self) -> bool:
        return self.puzzle_task is not None

    @property
    def learns(self) -> str | None:
        """What it learns, in words: the name of a text, or the puzzles by their kind."""
        if self.puzzle_task is None or self.corpus is None or ":" in self.corpus:
            return self.corpus
        return f"{PUZZLES_IN_WORDS.get(self.puzzle_task, 'puzzles')} of {os.path.basename(self.corpus)}"


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every run in a folder, the most recently changed first. A missing folder holds none.

    A folder with any trace of a run is listed, as damaged where it cannot be opened. Links and
    folders without such a trace are not. Raises RunError where `runs_dir` cannot be read.
    """
    summaries = [summarize(path) for path in run_folders(runs_dir)]
    return sorted(summaries, key=lambda summary: summary.modified, reverse=True)


def run_folders(runs_dir: Path) -> list[Path]:
    """The folders that `list_runs` lists, in no order. Raises as it does."""
    paths = [path for path in folders_in(runs_dir) if not path.name.startswith(".")]
    return [path for path in paths if has_trace_of_run(path) and not is_incomplete(path)]


def summarize(path: Path) -> RunSummary:
    """The summary of the run in one folder."""
    files = _read_files(path)
    run, config, problem = files.run, files.config, files.problem
    history = glance(run.events_path, None if config is None else text_started_at(config))
    status: Status = "damaged"
    if problem is None and config is not None:
        status = _status(run, config, files.evaluation, history)
    if status == "finished" and (lacking := weights_problem(run.weights_path)) is not None:
        status, problem = "damaged", f"it is finished, but its {lacking}"
        if newest_checkpoint(run.checkpoints_path) is not None:
            problem += f"; get it back: {{resume {run.in_command}}}"
    failure = history.ended if isinstance(history.ended, RunFailed) else None
    was_killed = status == "paused" and history.phase == "training"
    if was_killed:
        failure = unlogged_failure(run.events_path)
    started = history.started
    dials = {} if config is None else config.model.dials
    return RunSummary(
        name=run.name,
        path=run.path,
        architecture=_text(started and started.architecture, dials.get("architecture")),
        parameters=_whole(config and config.parameters, started and started.parameters),
        vocab_size=_whole(dials.get("vocab_size"), started and started.vocab_size),
        status=status,
        step=history.step,
        # The log of a run that grew from a finished one has its last event and no plan.
        total_steps=history.total_steps or (history.step if status == "finished" else 0) or None,
        validation_loss=history.validation_loss,
        modified=last_change(run.path),
        corpus=_text(config and config.corpus, *(dataset.name for dataset in files.datasets)),
        bytes=size_of_tree(run.path),
        problem=problem,
        failure=failure if status == "paused" else None,
        was_killed=was_killed and failure is None,
        last_step=history.last_step,
        puzzle_task=None if config is None else config.puzzle_task,
        answers_problems=config is not None and config.answers_problems,
        is_preparing=status == "training" and not (history.phase == "training" and history.last_step),
    )


@dataclass(slots=True)
class _Files:
    """What the files of a run say, as far as they can be read."""

    run: Run
    config: RunConfig | None = None
    datasets: list[Dataset] = field(default_factory=list)
    evaluation: Evaluation | PuzzleEvaluation | None = None
    problem: str | None = None
    """Why one of them cannot be read."""


def _read_files(path: Path) -> _Files:
    files = _Files(Run(path.resolve()))
    try:
        files.run = run = Run.open(path.resolve(), path.parent)
        files.config = run.config()
        files.datasets, files.evaluation = run.datasets(files.config), run.evaluation()
        run.read_json("generation_config.json")
    except RlmError as error:
        files.problem = error.message
    return files


def has_finished(run: Run) -> bool:
    """Whether no step is left of the training of `run`, whoever has its lock. Raises RunError."""
    config = run.config()
    history = glance(run.events_path, text_started_at(config))
    return _status_when_idle(run, config, run.evaluation(), history) == "finished"


def glance(path: Path, since: float | None) -> History:
    """The history of a log by its first and last parts. Events from before `since` are ignored."""
    history = History(since)
    steps: list[bytes] = []
    for line in _first_and_last_lines(path):
        kind = next((kind for kind, mark in _MARKS.items() if line.startswith(mark)), None)
        if kind is events.StepFinished:
            steps.append(line)  # the last of them is enough
        elif kind is not None:
            _add_last(history, steps)
            steps.clear()
            _add_last(history, [line])
    _add_last(history, steps)
    return history


def _add_last(history: History, lines: list[bytes]) -> None:
    """Add the event of the last line that holds one."""
    for line in reversed(lines):
        if (event := parse_line(line)) is not None:
            history.add(event)
            return


def _first_and_last_lines(path: Path) -> list[bytes]:
    tail, before = b"", 0
    for size in _TAILS:
        tail, before = _tail(path, size)
        if before == 0 or _has_best_loss(tail):
            break
    head = _head(path, min(_HEAD, before))
    if len(head) == before:
        return (head + tail).split(b"\n")[:-1]
    return [*head.split(b"\n")[:-1], *tail.split(b"\n")[:-1]]


def _has_best_loss(tail: bytes) -> bool:
    """Whether this end of a log has the loss of the best weights so far."""
    is_finished = tail.rfind(_MARKS[events.RunFinished]) > tail.rfind(_MARKS[events.RunStarted])
    return is_finished or _BEST_EVALUATION.search(tail) is not None


def _status(
    run: Run, config: RunConfig, evaluation: Evaluation | PuzzleEvaluation | None, history: History
) -> Status:
    return "training" if run.is_busy() else _status_when_idle(run, config, evaluation, history)


def _status_when_idle(
    run: Run, config: RunConfig, evaluation: Evaluation | PuzzleEvaluation | None, history: History
) -> Status:
    newest = newest_checkpoint(run.checkpoints_path)
    if newest is not None and newest.state.is_initial:
        return "paused"  # it has another text, and no step was taken on it yet
    if newest is not None and config.extension is not None and config.extension.from_step == newest.step:
        return "paused"  # it is to train longer, and nothing of that is saved yet
    if isinstance(history.ended, events.RunFinished):
        return "finished"
    if config.data is None:
        return "created"
    # One that was killed between the last evaluation and the last event is finished, too.
    if newest is None or newest.state.ended is None:
        return "paused"
    return "finished" if evaluation is not None and evaluation.after_steps == newest.step else "paused"


def _head(path: Path, size: int) -> bytes:
    """The first `size` bytes. Nothing where the file cannot be read."""
    try:
        with open_plain_file(path, follow_links=False) as file:
            return file.read(size)
    except OSError:
        return b""


def _tail(path: Path, size: int) -> tuple[bytes, int]:
    """The last `size` bytes, and how many come before them. Nothing where the file cannot be read."""
    try:
        with open_plain_file(path, follow_links=False) as file:
            before = max(0, file.seek(0, os.SEEK_END) - size)
            file.seek(before)
            return file.read(size), before
    except OSError:
        return b"", 0


def _whole(*values: Any) -> int | None:
    return next((value for value in values if type(value) is int), None)


def _text(*values: Any) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)
