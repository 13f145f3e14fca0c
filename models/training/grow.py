"""A model that grows while it learns: each time it has read so much, by so many parameters."""

import dataclasses
from collections.abc import Generator
from typing import Any

import torch

from data.errors import UsageError
from models.architectures import build_model
from models.config import ModelConfig
from models.cost import pieces_for_larger, require_memory, skeleton
from models.device import to_device
from models.errors import CheckpointError
from models.growth.axes import differences
from models.growth.check import require_same_output
from models.growth.planner import nearest
from models.growth.transaction import commit, revision_of
from models.growth.weights import grow_snapshot
from models.layers.initialise import Undrawn
from models.runs.datasets import read_datasets, with_growths
from models.runs.events import Event, ModelExpanded, NoticeGiven
from models.training.open import Opened
from models.training.session import Session

CHECKED_TOKENS = 64
"""Of the text, over which the grown model is compared with the one before."""


def growths_due(opened: Opened) -> int:
    """How many growths the characters read by now ask for: mostly none, and none after the last step."""
    session = opened.session
    every = session.config.grow_every
    if every is None or opened.data is None or session.counters.step >= session.schedule.last_step:
        return 0
    return max(0, int(session.counters.characters_seen // every) - session.counters.growths)


def grow(opened: Opened, number: int) -> Generator[Event, None, None]:
    """Let the model of `opened` grow `number` times at once, and commit it; the session is a new one
    then, at the same step. Where it cannot grow further, or memory ends, it stays, with a sentence.

    Raises StorageError, the run as it was.
    """
    session, config = opened.session, opened.session.config
    old = session.model.config
    session.counters.growths += number
    before = session.model.parameter_counts()[0]
    try:
        new = nearest(old, before + number * config.grow_by, at_most=True)
        require_memory(skeleton(new), config, session.device)
    except UsageError as error:
        yield NoticeGiven(message=f"It does not grow: {error.message}")
        return
    grown = _grown_session(session, old, new)
    read = torch.from_numpy(session.sampler.batch(session.counters.position, 1)[:, :-1][:, :CHECKED_TOKENS])
    try:
        change = require_same_output(session.model, grown.model, to_device(read, session.device))
    except CheckpointError as error:
        yield NoticeGiven(message=f"It does not grow: {error.message}")
        return
    parameters, embedding = grown.model.parameter_counts()
    changed: dict[str, Any] = {
        "revision": revision_of(opened.config) + 1,
        "parameters": parameters,
        "embedding_parameters": embedding,
        "model": {"architecture": new.architecture, **dataclasses.asdict(new)},
        "measured": dataclasses.asdict(grown.measured),
    }
    ways = differences(old, new)
    datasets = with_growths(read_datasets(opened.run), opened.config["data"]["content_hash"], ways)
    commit(opened.run, grown.snapshot(), {**opened.config, **changed}, opened.tokenizer, datasets=datasets)
    opened.config.update(changed)
    grown.revision = changed["revision"]
    opened.session = grown
    opened.pace.model, opened.pace.measured = grown.model, grown.measured
    yield ModelExpanded(
        step=session.counters.step,
        characters_seen=round(session.counters.characters_seen),
        parameters_before=before,
        parameters=parameters,
        largest_logit_change=change,
        grown={way: f"{now} to {then}" for way, (now, then) in ways.items()},
    )


def _grown_session(session: Session, old: ModelConfig, new: ModelConfig) -> Session:
    snapshot = grow_snapshot(session.snapshot(), old, new, seed=session.config.seed)
    with Undrawn():
        model = build_model(new).to(session.device)
    ratio = _blocks(new) / _blocks(old)
    slower = dataclasses.replace(
        session.measured,
        shallow_step_s=session.measured.shallow_step_s * ratio,
        deep_step_s=session.measured.deep_step_s * ratio,
    )
    grown = Session(model, session.config, session.sampler, slower)
    grown.restore(snapshot)
    pieces = pieces_for_larger(model, session.config, session.device, session.measured.micro_batch)
    grown.measured = dataclasses.replace(grown.measured, micro_batch=pieces)
    return grown


def _blocks(config: ModelConfig) -> int:
    """Parameters that a step computes with; a step's time goes with them, about."""
    whole, embedding = skeleton(config).parameter_counts()
    return max(1, whole - embedding)
