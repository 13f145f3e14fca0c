"""The plan of a training: of text or puzzles, of a new run or one that goes on."""

from collections.abc import Generator
from pathlib import Path
from typing import Protocol

from data.corpus import Corpus
from data.errors import UsageError
from models.config import TrainingConfig
from models.device import ABSENT, this_or_best_device
from models.planning.continue_run import plan_continuation
from models.planning.mix_request import mix_of_request
from models.planning.new_run import plan_new_run
from models.planning.request import TrainRequest, require_growing
from models.planning.tasks import makes_problems, planner_of
from models.runs.events import Event
from models.runs.run import Run
from models.runs.typed_json import JsonObject
from models.training.several_processes import require_trainable_in

_FOR_CONTINUED_RUNS = ("replay", "grow_vocab")
_FOR_TEXT = (
    *("continue_run", *_FOR_CONTINUED_RUNS),
    *("training.grow_every", "training.grow_by", "training.attend_within"),
)
_FOR_PROBLEMS = ("training.loss_on", "training.easy_first")
_ANSWERS = "answers"
"""What loss_on is for problems alone; its other values are for texts."""


class Plan(Protocol):
    """What a command will do, to be looked at. Nothing is written before `start`."""

    @property
    def started_at(self) -> float | None:
        """When planning began, in seconds since the epoch: the minutes of a training count from there, and
        what the process took to get there belongs to them. None where they count from the start of the
        training."""

    @property
    def training(self) -> TrainingConfig:
        """How it trains."""

    def rows(self) -> list[tuple[str, str]]:
        """The plan as a short table."""

    def to_dict(self) -> JsonObject:
        """The plan as JSON has it."""

    def start(self) -> Run:
        """Carry it out: write what the run needs to begin. Where this fails, no run is left half made."""


def plan(request: TrainRequest, runs_dir: Path, corpus: Corpus | None = None) -> Generator[Event, None, Plan]:
    """The plan of a training on text or a mix, of a new run or of `request.continue_run`, or on the puzzles
    of `request.task`. `corpus` is the text of `request.paths` where it was read before.

    Nothing in `runs_dir` is written; the text is cut into tokens, which go into the cache. Raises
    UsageError for what cannot be meant, and what each kind of plan raises.
    """
    request = request.without_unfit_preferences()
    _require_consistent(request)
    planned = yield from _plan_of(request, runs_dir, corpus)
    training = planned.training
    solves_puzzles = request.task is not None and not makes_problems(request.task)
    device = ABSENT if request.for_absent_device else this_or_best_device(training.device)
    require_trainable_in(request.processes, training, device, solves_puzzles=solves_puzzles)
    return planned


def _plan_of(request: TrainRequest, runs_dir: Path, corpus: Corpus | None) -> Generator[Event, None, Plan]:
    if (mix := mix_of_request(request)) is not None:
        if request.continue_run is not None:
            return (yield from plan_continuation(request, runs_dir, mix=mix))
        return (yield from plan_new_run(request, runs_dir, mix=mix))
    if request.task is not None:
        return (yield from planner_of(request.task)(request, runs_dir))
    if not request.paths:
        raise UsageError("There is nothing to train on.", hint="Give it text: {train FILE}")
    if request.count is not None:
        raise UsageError(
            "{count} is for puzzles.", hint="Have some made: {train task=sudoku:4x4}", field="count"
        )
    if request.continue_run is not None:
        return (yield from plan_continuation(request, runs_dir, corpus))
    return (yield from plan_new_run(request, runs_dir, corpus))


def _require_consistent(request: TrainRequest) -> None:
    """Raise UsageError for what has no meaning beside the rest."""
    if request.task is not None:
        _refuse_for_text(request, request.task)
    if not makes_problems(request.task):
        _refuse_for_problems(request)
    if request.continue_run is None:
        for path in _FOR_CONTINUED_RUNS:
            if _is_set(request, path):
                raise UsageError(
                    f"{{{path}}} is for a model that knows another text.",
                    hint="Say which one: {continue_run=RUN}",
                    field=path,
                )
        require_growing(request, {})


def _refuse_for_text(request: TrainRequest, task: str) -> None:
    """Raise UsageError for what is set for text alone."""
    for path in _FOR_TEXT:
        if _is_set(request, path):
            raise UsageError(
                f"{{{path}}} is for text, and {{task={task}}} is none.",
                hint=f"Leave {{{path}}} out.",
                field=path,
            )
    if request.overrides.values.get("training.loss_on") == "assistant":
        raise UsageError(
            "{training.loss_on} assistant is for conversations.",
            hint="Leave {training.loss_on} out.",
            field="training.loss_on",
        )


def _refuse_for_problems(request: TrainRequest) -> None:
    """Raise UsageError for what is typed and is for problems alone; a preference may stay."""
    for path in _FOR_PROBLEMS:
        value = request.overrides.values.get(path)
        if value is None or path in request.ambient:
            continue
        if request.task is not None or path != "training.loss_on" or value == _ANSWERS:
            raise UsageError(
                f"{{{path}}} is for problems.", hint="Have some made: {train task=compose:s3}", field=path
            )


def _is_set(request: TrainRequest, path: str) -> bool:
    return request.overrides.values.get(path) is not None or getattr(request, path, None) is not None
