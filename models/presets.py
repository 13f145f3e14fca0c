"""Named models and recipes, as data. Torch-free, so that the shell can complete their names."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from data.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a name stands for. Flags a user types go over it; what it leaves open is chosen."""

    name: str
    architecture: str
    summary: str
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    """character, bpe, or None: what suits the corpus."""


_ALL = (
    Preset(
        name="looped-small",
        architecture="looped",
        summary="one shared block between a prelude and a coda, width 128: two minutes on a laptop",
        model={"d_model": 128, "n_heads": 4},
    ),
    Preset(
        name="looped-base",
        architecture="looped",
        summary="the same at width 256, with a core of two blocks: a quarter of an hour",
        model={"d_model": 256, "n_heads": 4, "core_layers": 2},
    ),
    Preset(
        name="hrm-4m",
        architecture="hrm",
        summary="two levels of three blocks each, width 256, halting head: 4M parameters",
        model={
            "d_model": 256,
            "n_heads": 8,
            "d_feed_forward": 512,
            "l_layers": 3,
            "h_layers": 3,
            "context_length": 128,
            "dropout": 0.1,
        },
        training={
            "batch_size": 16,
            "embedding_rate": 0.5,
            "weight_decay": 0.0,
        },
    ),
    Preset(
        name="nanogpt-cpu",
        architecture="transformer",
        summary="the well-known dense laptop recipe, as a baseline: 0.8M parameters, 2,000 steps of AdamW",
        model={
            "d_model": 128,
            "n_heads": 4,
            "n_layers": 4,
            "context_length": 64,
            "dropout": 0.0,
            "positions": "learned",
            "norm": "layer",
            "feed_forward": "gelu",
            "qk_norm": False,
            "tied": True,
            "gpt2_weights": True,
            "lookback": 0,
        },
        training={
            "steps": 2000,
            "batch_size": 12,
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "beta1": 0.9,
            "beta2": 0.99,
            "schedule": "cosine",
            "warmup_steps": 100,
            "final_rate": 0.1,
            "gradient_clip": 1.0,
            "average_decay": 0.0,
            "number_format": "float32",
            "compile": "no",
        },
        tokenizer="character",
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})


def preset_named(name: str) -> Preset:
    """The preset of that name. Raises UsageError with the nearest there is."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(PRESETS)}."
    raise UsageError(f"There is no preset '{name}'.", hint=hint)
