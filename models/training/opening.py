"""From a run directory to a training in memory, wherever it stands."""

import dataclasses
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch

from data.corpus import scan_corpus
from data.errors import CorpusError, UsageError
from data.loader import BlockSampler
from data.prepare import PreparedData, open_prepared, prepare
from data.tokenizer import Tokenizer, load_tokenizer
from models.architectures import build_model, model_config
from models.config import TrainingConfig, from_dict
from models.device import choose_device, prepare_process
from models.events import Event, NoticeGiven, PreparationAdvanced, ScheduleSettled
from models.run import Run
from models.training.checkpoint import Snapshot, load_checkpoint
from models.training.measure import Measured, measure
from models.training.modes import final_cost_s
from models.training.pace import Pace
from models.training.schedule import Schedule
from models.training.session import Session

REWARMED = 0.5
"""Share of the peak rate a finished run is taken up again with."""


@dataclass(slots=True)
class Opened:
    """A training ready for its next step. `deadline` is of time.monotonic(), or None."""

    run: Run
    config: dict[str, Any]
    tokenizer: Tokenizer
    data: PreparedData
    session: Session
    pace: Pace
    deadline: float | None
    ended: str | None
    """Why there are no steps left, where the run was stopped before it could be judged."""


def open_training(run: Run) -> Generator[Event, None, Opened]:
    """Everything before the next step, read or made. The caller holds the run's lock.

    Raises UsageError where there is nothing to go on with, CheckpointError, CorpusError.
    """
    began = time.monotonic()
    config = run.read_config()
    training = from_dict(TrainingConfig, config["training"], "training")
    snapshot = None
    if run.checkpoints_path.exists() and any(run.checkpoints_path.iterdir()):
        snapshot, notes = load_checkpoint(run)
        for note in notes:
            yield NoticeGiven(message=note)
    extension = config.get("extension")
    extended = snapshot is not None and _applies(extension, snapshot)
    ended = None if snapshot is None or extended else snapshot.state["ended"]
    if ended is not None and snapshot is not None and _is_judged(run, snapshot):
        raise UsageError(
            f"Run '{run.name}' is finished.", hint=f"Go on with it: rlm resume {run.name} --minutes 5"
        )
    measured = Measured(**config["measured"]) if "measured" in config else None
    threads = prepare_process(measured.threads if measured is not None else training.threads)
    device = choose_device(measured.device if measured is not None else training.device)
    tokenizer = load_tokenizer(run.tokenizer_path)
    data = yield from _data(config, tokenizer)
    torch.manual_seed(training.seed)
    model = build_model(model_config(config["model"])).to(device)
    sampler = BlockSampler(data.train, model.config.context_length, training.seed)
    minutes = _minutes(training, snapshot, extension)
    if measured is None:
        ahead = minutes * 60 if minutes else float("inf") if not training.steps else training.steps * 0.1
        blocks = torch.from_numpy(sampler.batch(0, training.batch_size))
        measured = yield from measure(model, blocks, training, threads, ahead)
        config["measured"] = dataclasses.asdict(measured)
        run.write_config(config)
    session = Session(model, training, sampler, measured)
    pace = Pace(model, training, measured)
    deadline = None
    if minutes is not None:
        started = config.get("started_at") if snapshot is None else None
        since = min(time.time() - started, minutes * 30) if started else time.monotonic() - began
        deadline = time.monotonic() - since + minutes * 60
    opened = Opened(run, config, tokenizer, data, session, pace, deadline, ended)
    yield from _settle(opened, snapshot, extension, minutes)
    return opened


def _applies(extension: dict[str, Any] | None, snapshot: Snapshot) -> bool:
    return extension is not None and extension["from_step"] == snapshot.step


def _is_judged(run: Run, snapshot: Snapshot) -> bool:
    """Whether the last evaluation was of this snapshot: a crash can come between the two."""
    evaluation = run.read_json("evaluation.json")
    return isinstance(evaluation, dict) and evaluation.get("after_steps") == snapshot.step


def _minutes(
    training: TrainingConfig, snapshot: Snapshot | None, extension: dict[str, Any] | None
) -> float | None:
    """The minutes still to be turned into steps, if the length is given in minutes."""
    if snapshot is None:
        return training.minutes
    return extension.get("minutes") if extension is not None and _applies(extension, snapshot) else None


def _settle(
    opened: Opened, snapshot: Snapshot | None, extension: dict[str, Any] | None, minutes: float | None
) -> Generator[Event, None, None]:
    """Give the session its place and its schedule."""
    session, training = opened.session, opened.session.config
    scale = 1.0
    if snapshot is not None:
        session.restore(snapshot)
        if not _applies(extension, snapshot):
            return
        assert extension is not None
        if snapshot.state["ended"] is not None:
            scale = REWARMED
            session.counters.without_better = 0
    steps = extension.get("steps") if snapshot is not None and extension is not None else training.steps
    if minutes is not None and opened.deadline is not None:
        left = opened.deadline - time.monotonic() - reserve_s(opened)
        steps = opened.pace.steps_in(left, 0.0)
    elif steps is None:
        epochs = training.epochs if training.epochs is not None else 1.0
        steps = max(1, round(epochs * session.sampler.blocks_per_epoch / training.batch_size))
    step = session.counters.step
    if snapshot is not None and scale == 1.0:
        session.schedule = session.schedule.ending_at(step + steps, step)
    else:
        session.schedule = Schedule.over(step, step + steps, scale)
    if minutes is not None:
        seconds = opened.pace.mean_step_s(session.schedule.progress(step))
        yield ScheduleSettled(step=step, total_steps=step + steps, seconds_per_step=seconds)


def reserve_s(opened: Opened) -> float:
    """Seconds to keep for what comes after the last step, and the evaluations on the way."""
    session, training = opened.session, opened.session.config
    final = final_cost_s(session.model, len(opened.data.validation), seconds_per_call_token(opened))
    minutes = (opened.deadline - time.monotonic()) / 60 if opened.deadline else 1.0
    return (
        min(final, FINAL_SHARE * minutes * 60) + 0.15 * training.samples + 0.05 * training.evaluations + 1.5
    )


FINAL_SHARE = 0.15
"""The most of the time left that the last evaluation may take; beyond it, it reads a part."""


def seconds_per_call_token(opened: Opened) -> float:
    """Seconds of one attention call for one token, forward only: about a third of training's."""
    session = opened.session
    calls = session.model.attention_calls(session.model.trained_depth)
    return 0.35 * session.measured.deep_step_s * opened.pace.slowness / (calls * session.tokens_per_step)


def _data(config: dict[str, Any], tokenizer: Tokenizer) -> Generator[Event, None, PreparedData]:
    """The token files, from the cache or made again from the text."""
    corpus_info = config["data"]
    if "prepared" in corpus_info:
        try:
            return open_prepared(corpus_info["prepared"])
        except CorpusError:
            yield NoticeGiven(message="The prepared text is no longer in the cache; it is made again.")
    scanning = scan_corpus(corpus_info["paths"])
    while True:
        try:
            advance = next(scanning)
        except StopIteration as end:
            corpus = end.value
            break
        yield PreparationAdvanced(
            stage=advance.stage, done=advance.done, total=advance.total, unit=advance.unit
        )
    if corpus.content_hash != corpus_info["content_hash"]:
        raise CorpusError(
            f"The text at {corpus_info['paths'][0]} is no longer the one this run was trained on.",
            hint="Put the old text back, or train a new run on the new one.",
        )
    preparing = prepare(corpus, tokenizer)
    while True:
        try:
            advance = next(preparing)
        except StopIteration as end:
            return end.value
        yield PreparationAdvanced(
            stage=advance.stage, done=advance.done, total=advance.total, unit=advance.unit
        )
