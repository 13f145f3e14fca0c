"""The axes of a scan: the sizes along each, the model at a size, and what a token must cost there.

What a token must cost is counted in operations of matrix products (models/cost/counts.py), by the part of the
model that they are made in; memory as plans estimate it. A byte of a corpus must cost the same in any corpus.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from data.errors import UsageError
from data.nearest import did_you_mean
from models.architectures import DEFAULT_ARCHITECTURE, model_config
from models.config import ModelConfig, TrainingConfig
from models.cost.counts import newton_schulz_flops, step_flops, used_weights
from models.cost.estimate import training_bytes
from models.recursive_lm import RecursiveLM

SIZES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "width": (64, 128, 256, 512, 1024),
        "passes": (1, 2, 4, 8, 16, 32),
        "context": (128, 256, 512, 1024, 2048, 4096),
        "vocabulary": (96, 480, 2400, 12000, 50000),
        "corpus": (1, 4, 16, 64, 256, 1000),
    }
)
"""By axis, ascending. A corpus is in megabytes, a context and a vocabulary in tokens."""
CORPUS, MEMORY = "corpus", "memory"
TOKENS = 4096
"""Of a training step at any size: a step has costs of its own, which its tokens share."""
COSTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {axis: ("training", "writing", MEMORY) for axis in SIZES if axis != CORPUS}
    | {CORPUS: ("preparing", "opening", "batches", MEMORY)}
)
"""What is measured along each axis."""
OF_BYTES = ("preparing", "opening")
"""Those of a byte; the others in time are of a token."""
_PASSES = "loops"
_SHAPE = {"d_model": 128, "n_heads": 4, "context_length": 128, "vocab_size": 512}

Parts = Mapping[str, float]
"""What is counted, by the part of the model that needs it."""


def default_model() -> ModelConfig:
    """The model that a scan starts from, unless it is given another."""
    return model_config({"architecture": DEFAULT_ARCHITECTURE, **_SHAPE})


def chosen_axes(names: Sequence[str] | None, base: ModelConfig) -> tuple[str, ...]:
    """The axes of those names, in the order of `SIZES`; None stands for all that `base` has. Raises
    UsageError for a name that is none, and for an axis that `base` lacks."""
    has_passes = _PASSES in base.growth_axes
    if names is None:
        return tuple(axis for axis in SIZES if axis != "passes" or has_passes)
    for name in names:
        if name not in SIZES:
            near = did_you_mean(name, SIZES)
            raise UsageError(f"There is no axis '{name}'.", hint=near)
    if "passes" in names and not has_passes:
        raise UsageError(f"The passes of {base.architecture} cannot be changed.", hint="Choose other axes.")
    return tuple(axis for axis in SIZES if axis in names)


def model_at(base: ModelConfig, axis: str, size: int) -> ModelConfig:
    """`base` with that size along an axis, and else as it is. Heads keep their width, and the feed-forward
    network its share of the width. Raises UsageError where such a model cannot be."""
    match axis:
        case "width":
            return dataclasses.replace(base, **_of_width(base, size))
        case "passes":
            return base.larger({_PASSES: size})
        case "context":
            return dataclasses.replace(base, context_length=size)
    return dataclasses.replace(base, vocab_size=size)


def sequences(config: ModelConfig) -> int:
    """The batch of a training step of about `TOKENS` tokens."""
    return max(1, TOKENS // config.context_length)


def at_once(training: TrainingConfig, config: ModelConfig) -> TrainingConfig:
    """`training` with steps of about `TOKENS` tokens, in one piece."""
    return dataclasses.replace(training, batch_size=sequences(config), micro_batch=None)


def counted(
    model: RecursiveLM, training: TrainingConfig, attended: int, number_format: str
) -> dict[str, Parts]:
    """The operations for a token in training, and in writing where it sees `attended` tokens; the bytes that
    training takes. `model` may be a skeleton."""
    config, depth = model.config, model.trained_depth
    step, calls = step_flops(model, depth), model.attention_calls(depth)
    tokens = sequences(config) * config.context_length
    updates = newton_schulz_flops(model) / tokens if training.optimizer == "muon" else 0.0
    return {
        "training": {
            "the blocks": step.blocks + updates,
            "attention": step.attention,
            "the head": step.head,
        },
        "writing": {
            "the blocks": 2 * used_weights(model, depth),
            "attention": 4 * attended * config.d_model * calls,
            "the head": 2 * config.vocab_size * config.d_model,
        },
        MEMORY: {"all together": training_bytes(model, at_once(training, config), number_format)},
    }


def _of_width(base: ModelConfig, size: int) -> dict[str, Any]:
    widest = max(1, size * base.n_heads // base.d_model)
    heads = max((count for count in range(1, widest + 1) if size % (2 * count) == 0), default=1)
    fields: dict[str, Any] = {"d_model": size, "n_heads": heads}
    hidden = getattr(base, "d_feed_forward", None)
    if hidden is not None:
        fields["d_feed_forward"] = max(8, 8 * round(hidden * size / base.d_model / 8))
    return fields
