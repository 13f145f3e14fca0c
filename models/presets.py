"""Named models and recipes, as data. Torch-free, so that the shell can complete their names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from data.errors import UsageError
from data.nearest import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a name stands for. Flags a user types go over it; what it leaves open is chosen."""

    name: str
    architecture: str
    summary: str
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    """character, bpe, or None: what suits the corpus. A loss it stops at is counted in these."""
    vocab_size: int | None = None
    """Tokens that its published size is counted with; a text gets as many as suit it."""
    on_gpu: str | None = None
    """The preset this name stands for where there is a GPU, if that is another."""


_OUROBOROS_LITE = {"d_model": 256, "n_heads": 4, "passes": 4, "context_length": 256, "ngram": 0}
_OUROBOROS_ON_CPU = {"batch_size": 4, "weight_decay": 0.1, "target_loss": 2.1}
"""The loss is of byte pairs: characters are there at once."""
_OUROBOROS_ON_GPU = {**_OUROBOROS_ON_CPU, "batch_size": 16, "number_format": "auto"}
"""Mixed precision: of the formats a GPU has, the fastest one measured."""

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
        summary="two shared blocks between a prelude and a coda, width 256: a quarter of an hour",
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
        name="recursive-48m",
        architecture="recursive_router",
        summary="six layers, then one more up to twice: 48M parameters with 50k tokens",
        model={
            "d_model": 512,
            "n_heads": 8,
            "n_layers": 6,
            "d_feed_forward": 2048,
            "context_length": 256,
            "positions": "learned",
            "tied": True,
            "ngram": 0,
        },
        training={"optimizer": "adamw", "learning_rate": 6e-4, "weight_decay": 0.1, "warmup_steps": 200},
        tokenizer="bpe",
        vocab_size=50_257,
    ),
    Preset(
        name="router-small",
        architecture="recursive_router",
        summary="four layers, then one more up to twice, width 192: 2.3M parameters, minutes on a laptop",
        model={"d_model": 192, "n_heads": 4, "n_layers": 4, "ngram": 3},
    ),
    Preset(
        name="mor-technical",
        architecture="mixture_of_recursions",
        summary="six layers; routers add up to four steps per token: 29M",
        model={
            "d_model": 384,
            "n_heads": 6,
            "n_layers": 6,
            "d_feed_forward": 2048,
            "max_steps": 4,
            "context_length": 128,
            "positions": "learned",
            "tied": True,
            "ngram": 0,
        },
        training={"optimizer": "adamw", "learning_rate": 6e-4, "weight_decay": 0.1, "warmup_steps": 200},
        tokenizer="bpe",
        vocab_size=32_000,
    ),
    Preset(
        name="mor-small",
        architecture="mixture_of_recursions",
        summary="four layers of up to two more steps each, width 192: 2.3M parameters, minutes on a laptop",
        model={"d_model": 192, "n_heads": 4, "n_layers": 4, "max_steps": 2, "ngram": 3},
    ),
    Preset(
        name="ouroboros",
        architecture="ouroboros",
        summary="another name for ouroboros-lite, or for ouroboros-pro on a machine that has a GPU",
        model=_OUROBOROS_LITE,
        training=_OUROBOROS_ON_CPU,
        on_gpu="ouroboros-pro",
        tokenizer="bpe",
        vocab_size=50_257,
    ),
    Preset(
        name="ouroboros-small",
        architecture="ouroboros",
        summary="one shared block with latent attention, four times: 1M parameters, minutes on a laptop",
        model={**_OUROBOROS_LITE, "context_length": 128, "ngram": 3},
    ),
    Preset(
        name="ouroboros-lite",
        architecture="ouroboros",
        summary="one block of 0.94M, four passes: with 50k tokens, 93 % of 13.8M parameters are embedding",
        model=_OUROBOROS_LITE,
        training=_OUROBOROS_ON_CPU,
        tokenizer="bpe",
        vocab_size=50_257,
    ),
    Preset(
        name="ouroboros-pro",
        architecture="ouroboros",
        summary="one block of 3.7M, eight passes: with 50k tokens, 87 % of 29M parameters are embedding",
        model={**_OUROBOROS_LITE, "d_model": 512, "n_heads": 8, "passes": 8},
        training=_OUROBOROS_ON_GPU,
        tokenizer="bpe",
        vocab_size=50_257,
    ),
    Preset(
        name="ouroboros-beast",
        architecture="ouroboros",
        summary="one block of 8.4M, twelve passes: with 50k tokens, 82 % of 47M parameters are embedding",
        model={**_OUROBOROS_LITE, "d_model": 768, "n_heads": 12, "passes": 12},
        training=_OUROBOROS_ON_GPU,
        tokenizer="bpe",
        vocab_size=50_257,
    ),
    Preset(
        name="trm-small",
        architecture="trm",
        summary="one network of two blocks for two states, width 192, halting head: 1M parameters",
        model={"d_model": 192, "n_heads": 4, "d_feed_forward": 512, "context_length": 128, "ngram": 3},
    ),
    Preset(
        name="dense-small",
        architecture="transformer",
        summary="the dense baseline with everything the others have but recursion: five blocks of width 192",
        model={"d_model": 192, "n_heads": 4, "n_layers": 5, "ngram": 3},
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
            "ngram": 0,
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


def preset_named(name: str, *, on_gpu: bool = False) -> Preset:
    """What that name stands for, with or without a GPU. Raises UsageError with the nearest there is."""
    if name in PRESETS:
        preset = PRESETS[name]
        return PRESETS[preset.on_gpu] if on_gpu and preset.on_gpu is not None else preset
    raise UsageError(f"There is no preset '{name}'.", hint=did_you_mean(name, PRESETS))
