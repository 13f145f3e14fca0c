"""The first checkpoint of training on a new text: a model with that text's tokens, at step 0."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from models.architectures import skeleton
from models.config import ModelConfig, TrainingConfig
from models.growth.weights import grow_snapshot
from models.runs.checkpoint import Snapshot
from models.runs.run_state import RunState


def initial_snapshot(
    weights: Mapping[str, Tensor],
    moments: Mapping[str, Tensor],
    old: ModelConfig,
    new: ModelConfig,
    training: TrainingConfig,
    *,
    parts: Sequence[tuple[int, ...]] | None = None,
) -> Snapshot:
    """`weights` of the `old` model, grown to the `new` one, at step 0 of a schedule that is planned later.

    `moments` are the `optimizer.…` tensors to keep; the rows of new tokens have none. `parts`: for each new
    token the tokens it is made of.
    """
    average: dict[str, Tensor] = {}
    if training.average_decay:
        average = {f"average.{name}": weights[name] for name, _ in skeleton(old).named_parameters()}
    snapshot = Snapshot(0, dict(weights), {**moments, **average}, RunState.initial())
    return snapshot if old == new else grow_snapshot(snapshot, old, new, parts=parts, seed=training.seed)


def has_no_steps_yet(snapshot: Snapshot | None) -> bool:
    """Whether the run has taken no step yet on its present text."""
    return snapshot is None or snapshot.state.is_initial
