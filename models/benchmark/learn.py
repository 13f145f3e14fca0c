"""How well architectures learn one text, beside dense models of equal parameters and equal computation."""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.corpus import Corpus
from data.errors import UsageError
from models.benchmark.candidates import Candidate, Shape, candidates
from models.benchmark.environment import environment
from models.benchmark.learn_report import Outcome, learn_report
from models.benchmark.report import Report
from models.device import choose_device
from models.planning.plan import plan
from models.planning.request import Overrides, TrainRequest
from models.planning.text_plan import TextPlan
from models.planning.text_rows import filter_row
from models.runs.evaluation import Evaluation
from models.runs.events import Event, NoticeGiven, RunFinished
from models.runs.incomplete import is_incomplete
from models.runs.run import Run
from models.settings import Settings
from models.training.control import Control
from models.training.trainer import train

_ANOTHER_FOLDER = "Give another folder, or remove this one."


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnRequest:
    """What to compare."""

    corpus: str
    encoding: str | None = None
    """Of the text; None where it is to be detected."""
    filters: str | None = None
    """Names of filters of the text, with commas between."""
    architectures: Sequence[str]
    model: Settings = field(default_factory=dict)
    """What all models share, by field; the rest is as `rlm train` plans it for this text and this length."""
    seeds: int = 1
    steps: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    """Sequences of a step; None where each model has what `rlm train` plans for it."""
    device: str = "auto"
    threads: int = 0

    @property
    def length(self) -> Mapping[str, object]:
        """Of each training."""
        return {"training.steps": self.steps} if self.steps else {"training.minutes": self.minutes}


def benchmark_learn(
    request: LearnRequest, folder: Path, control: Control
) -> Generator[Event, None, Report | None]:
    """Train every candidate with every seed, one after the other, and set their losses side by side.

    Each training is a run in `folder`. A benchmark that was interrupted goes on there: what is finished is
    kept, and what is half done is resumed. The order rotates from seed to seed. Returns None where
    `control` paused it. Raises UsageError where `folder` holds the runs of another benchmark.
    """
    base = TrainRequest(
        paths=(request.corpus,),
        encoding=request.encoding,
        filters=request.filters,
        overrides=_overrides(request, request.model, 0),
    )
    planned = yield from plan(base, folder)
    assert isinstance(planned, TextPlan)  # the request names a new run of text
    shape = Shape.of(planned.model)
    chosen = candidates(request.architectures, shape, planned.tokenizer.vocab_size)
    jobs = [
        (candidate, seed)
        for seed in range(request.seeds)
        for candidate in (*chosen[seed % len(chosen) :], *chosen[: seed % len(chosen)])
    ]
    outcomes: list[Outcome] = []
    for number, (candidate, seed) in enumerate(jobs, 1):
        yield NoticeGiven(message=f"Training {number} of {len(jobs)}: {candidate.name}, seed {seed}")
        outcome = yield from _trained(request, candidate, seed, folder, planned, control)
        if outcome is None:
            return None
        outcomes.append(outcome)
    device, filters = choose_device(request.device), ", ".join(planned.corpus.filters)
    text = planned.corpus.name + (f" without what {filters} drops" if filters else "")
    kept = environment(
        device,
        corpus=planned.corpus.content_hash,
        seeds=request.seeds,
        batch_size=request.batch_size,
        context=shape.context_length,
        width=shape.d_model,
        **({"filters": filters} if filters else {}),
    )
    length = f"{request.steps:,} steps" if request.steps else f"{request.minutes:g} minutes"
    report = learn_report(text, length, request.steps is None, chosen, outcomes, kept)
    filtered = tuple(f"Filters of the text: {words}." for _, words in filter_row(planned.corpus))
    return replace(report, notes=(*report.notes, _note_on_training(request), *filtered))


def _note_on_training(request: LearnRequest) -> str:
    if request.batch_size is None:
        return "Batch, rate and regularisation of each model are as rlm train plans them for it."
    return (
        "The batch is the same for all; rate and regularisation are as rlm train plans them for each model."
    )


def _trained(
    request: LearnRequest, candidate: Candidate, seed: int, folder: Path, planned: TextPlan, control: Control
) -> Generator[Event, None, Outcome | None]:
    """Train one candidate to its end, from where it stands, on the text that is `planned`. None: it was
    paused."""
    name = f"{candidate.name}-seed-{seed}"
    overrides = _overrides(request, candidate.model, seed)
    path = folder / name
    if path.exists() and not is_incomplete(path):
        run = Run.open(name, folder)
        _require_same(run, overrides, planned.corpus, folder)
    else:
        tokenizer = planned.tokenizer.kind
        one = TrainRequest(
            paths=(request.corpus,),
            name=name,
            filters=request.filters,
            tokenizer=tokenizer,
            overrides=overrides,
        )
        run = (yield from plan(one, folder, planned.corpus)).start()
    finished = _finished(run)
    if finished is None:
        control.began = control.now()  # the minutes of each training count from its own beginning
        yield from run.record(train(run, control))
        finished = _finished(run)
        if finished is None:
            return None
    evaluation = run.evaluation()
    assert isinstance(evaluation, Evaluation)  # a run of text that has finished
    return Outcome(candidate.name, seed, finished, evaluation)


def _overrides(request: LearnRequest, model: Mapping[str, object], seed: int) -> Overrides:
    fields: dict[str, object] = {f"model.{name}": value for name, value in model.items()}
    fields |= {"training.seed": seed, "training.device": request.device}
    fields["training.samples"] = 0  # they would only take time
    if request.batch_size is not None:
        fields["training.batch_size"] = request.batch_size
    if request.threads:
        fields["training.threads"] = request.threads
    return Overrides({**fields, **request.length})


def _require_same(run: Run, overrides: Overrides, corpus: Corpus, folder: Path) -> None:
    """Raise UsageError where the run was trained on another text or with other settings."""
    config = run.config()
    if config.content_hash != corpus.content_hash:
        raise UsageError(
            f"'{folder}' holds another benchmark: {run.name} learned another text.", hint=_ANOTHER_FOLDER
        )
    kept = {
        "model": {**config.model.dials, "architecture": config.model.architecture},
        "training": config.training,
    }
    for path, value in overrides.values.items():
        section, _, name = path.partition(".")
        if name in kept[section] and json.dumps(kept[section][name]) != json.dumps(value):
            found = kept[section][name]
            raise UsageError(
                f"'{folder}' holds another benchmark: {run.name} has {name} {found}, not {value}.",
                hint=_ANOTHER_FOLDER,
            )


def _finished(run: Run) -> RunFinished | None:
    """How the run ended, or None where it has not."""
    ended = run.history().ended
    return ended if isinstance(ended, RunFinished) else None
