"""The first state of a stage: the model with a new text's tokens, all steps before it."""

import dataclasses
from collections.abc import Mapping, Sequence

from torch import Tensor

from models.config import ModelConfig, TrainingConfig
from models.cost import skeleton
from models.growth.weights import grow_snapshot
from models.runs.checkpoint import Snapshot
from models.training.schedule import Schedule
from models.training.session import Counters


def first_snapshot(
    kept: Mapping[str, Tensor],
    moments: Mapping[str, Tensor],
    old: ModelConfig,
    new: ModelConfig,
    training: TrainingConfig,
    *,
    parts: Sequence[tuple[int, ...]] | None = None,
) -> Snapshot:
    """The weights to go on from and the optimizer's moments, at step 0 of a schedule still to be settled.

    `moments` are the `optimizer.…` tensors to keep; rows of a grown vocabulary begin without.
    """
    average: dict[str, Tensor] = {}
    if training.average_decay:
        average = {f"average.{name}": kept[name] for name, _ in skeleton(old).named_parameters()}
    state = {
        "begins": True,
        "counters": dataclasses.asdict(Counters()),
        "schedule": dataclasses.asdict(Schedule.over(0, 1)),
        "average_updates": 0,
        "ended": None,
    }
    snapshot = Snapshot(0, dict(kept), {**moments, **average}, state)
    return snapshot if old == new else grow_snapshot(snapshot, old, new, parts=parts, seed=training.seed)


def begins_stage(snapshot: Snapshot | None) -> bool:
    """Whether no step was taken yet on the text the run is at."""
    return snapshot is None or bool(snapshot.state.get("begins"))
