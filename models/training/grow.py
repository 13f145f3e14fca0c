"""A model that grows while it trains: each time it has read so many characters, by so many parameters."""

from collections.abc import Generator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from data.errors import UsageError
from models.architectures import build_model, skeleton
from models.config import ModelConfig
from models.cost.estimate import pieces_for_larger, require_memory
from models.device import to_device
from models.errors import CheckpointError
from models.growth.axes import differences
from models.growth.check import require_same_output
from models.growth.planner import nearest
from models.growth.transaction import commit
from models.growth.weights import grow_snapshot
from models.layers.initialise import no_init
from models.recursive_lm import RecursiveLM
from models.runs.checkpoint import Snapshot
from models.runs.datasets import with_growths
from models.runs.events import Event, ModelExpanded, NoticeGiven
from models.runs.run_config import Calibration, ModelSection
from models.training.session import Session

CHECKED_TOKENS = 64
"""Tokens of the text over which the grown model is compared with the one before."""


def growths_due(session: Session) -> int:
    """How many growths the characters read so far ask for; none after the last step."""
    every = session.config.grow_every
    if every is None or session.task.tokenizer is None or session.counters.step >= session.schedule.last_step:
        return 0
    return max(0, int(session.counters.characters_seen // every) - session.counters.growths)


def grow(session: Session, number: int) -> Generator[Event, None, None]:
    """Let the model grow `number` times at once, and commit it, after the same step.

    Where the model cannot grow further, or memory ends, it stays, with a notice. Raises StorageError,
    and the run is then as it was.
    """
    old, parameters_before = session.model.config, session.model.parameter_counts()[0]
    session.counters.growths += number
    try:
        new = nearest(old, parameters_before + number * session.config.grow_by, at_most=True)
        require_memory(skeleton(new), session.config, session.device)
    except UsageError as error:
        yield NoticeGiven(message=f"The model does not grow: {error.message}")
        return
    snapshot = grow_snapshot(session.snapshot(), old, new, seed=session.config.seed)
    with no_init():
        model = build_model(new).to(session.device)
    model.load_state_dict(snapshot.model)
    try:
        change = require_same_output(session.model, model, _tokens_to_check(session))
    except CheckpointError as error:
        yield NoticeGiven(message=f"The model does not grow: {error.message}")
        return
    _replace_model(session, model, snapshot)
    ways = differences(old, new)
    _commit(session, ways)
    yield ModelExpanded(
        step=session.counters.step,
        characters_seen=round(session.counters.characters_seen),
        parameters_before=parameters_before,
        parameters=model.parameter_counts()[0],
        largest_logit_change=change,
        grown={way: f"{now} to {then}" for way, (now, then) in ways.items()},
    )


def _tokens_to_check(session: Session) -> Tensor:
    """The first tokens (1, T) of the next sequence."""
    blocks = session.task.sampler.batch(session.counters.position, 1)
    return to_device(torch.from_numpy(blocks[:, :-1][:, :CHECKED_TOKENS]), session.device)


def _replace_model(session: Session, model: RecursiveLM, snapshot: Snapshot) -> None:
    """Go on in memory with a larger `model` from `snapshot`, which holds its weights and moments."""
    calibration = _calibration_of_larger(session, session.model.config, model.config)
    parameters, embedding = model.parameter_counts()
    session.set_model(model, calibration)
    session.run_config = replace(
        session.run_config,
        revision=session.run_config.revision + 1,
        parameters=parameters,
        embedding_parameters=embedding,
        model=ModelSection.of(model.config),
        calibration=calibration,
    )
    session.restore(replace(snapshot, state=replace(snapshot.state, micro_batch=calibration.micro_batch)))
    session.time_budget.model, session.time_budget.calibration = model, calibration


def _commit(session: Session, ways: Mapping[str, tuple[int, int]]) -> None:
    """Write the larger model to disk as one change of the run. `ways` are the sizes before and now, by what
    grew. Raises StorageError."""
    run, config, tokenizer = session.run, session.run_config, session.task.tokenizer
    datasets = with_growths(run.datasets(config), config.learned_hashes, ways)
    commit(run, session.snapshot(), config, tokenizer, datasets=datasets)
    session.task.datasets = datasets
    session.note_saved()


def _calibration_of_larger(session: Session, old: ModelConfig, new: ModelConfig) -> Calibration:
    """The calibration with steps that take longer, and a micro-batch that still fits into memory."""
    ratio, calibration = _block_parameters(new) / _block_parameters(old), session.calibration
    return replace(
        calibration,
        shallow_step_s=calibration.shallow_step_s * ratio,
        deep_step_s=calibration.deep_step_s * ratio,
        micro_batch=pieces_for_larger(skeleton(new), session.config, session.device, calibration.micro_batch),
    )


def _block_parameters(config: ModelConfig) -> int:
    """Parameters that a step computes with, to which its time is about proportional."""
    total, embedding = skeleton(config).parameter_counts()
    return max(1, total - embedding)
