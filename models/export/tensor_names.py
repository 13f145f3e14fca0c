"""The names of the tensors in an exported model.safetensors, as a table for each architecture.

A name of the table is that of a tensor in a run; a star stands for a number. In an exported folder it has the
prefix `model.`. A tensor that is in no table is not exported, so that none gets a name by accident.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from data.errors import UsageError

PREFIX = "model."

_INPUT = ("embedding.weight", "position_embedding.weight", "ngram_embeddings.*.weight")
_ATTENTION = ("attention.qkv.weight", "attention.out.weight")
_BIASED_ATTENTION = (*_ATTENTION, "attention.qkv.bias", "attention.out.bias")
_LATENT_ATTENTION = (
    *(f"attention.{name}.weight" for name in ("q_down", "q_up", "kv_down", "kv_up", "out")),
    *(f"attention.{name}.weight" for name in ("q_norm", "k_norm")),
)
_FEED_FORWARD = ("feed_forward.up.weight", "feed_forward.out.weight")
_BIASED_FEED_FORWARD = (*_FEED_FORWARD, "feed_forward.up.bias", "feed_forward.out.bias")
_NORMS = ("attention_norm.weight", "feed_forward_norm.weight")
_BIASED_NORMS = (*_NORMS, "attention_norm.bias", "feed_forward_norm.bias")
_PRE_NORM = (*_NORMS, *_ATTENTION, *_FEED_FORWARD)
_POST_NORM = ("gate", *_ATTENTION, *_FEED_FORWARD)
_GPT = (*_BIASED_NORMS, *_BIASED_ATTENTION, *_BIASED_FEED_FORWARD)


def _of(module: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names)


TENSORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "looped": (
            *_INPUT,
            *_of("prelude.*", _PRE_NORM),
            *_of("core.*", _PRE_NORM),
            *_of("coda.*", _PRE_NORM),
            "keep",
            "inject",
            "gate",
            "head.weight",
        ),
        "hrm": (
            *_INPUT,
            *_of("low.*", _PRE_NORM),
            *_of("high.*", _PRE_NORM),
            "low_start",
            "halting.weight",
            "halting.bias",
            "head.weight",
        ),
        "trm": (
            *_INPUT,
            *_of("blocks.*", _POST_NORM),
            "starts",
            "halting.weight",
            "halting.bias",
            "head.weight",
        ),
        "ouroboros": (
            *_INPUT,
            "reasoning",
            *_of("block", (*_NORMS, *_LATENT_ATTENTION, *_BIASED_FEED_FORWARD)),
            "norm.weight",
            "head.weight",
        ),
        "recursive_router": (
            *_INPUT,
            *_of("stack.*", _GPT),
            *_of("recursive_layer", _GPT),
            "router.weight",
            "router.bias",
            "norm.weight",
            "norm.bias",
            "head.weight",
        ),
        "mixture_of_recursions": (
            *_INPUT,
            "embedding_norm.weight",
            "embedding_norm.bias",
            *_of("layers.*.block", ("gate", *_BIASED_NORMS, *_BIASED_ATTENTION, *_BIASED_FEED_FORWARD)),
            "layers.*.steps.*.weight",
            "layers.*.steps.*.bias",
            *(
                f"layers.*.{router}.{kind}"
                for router in ("router_in", "router_out")
                for kind in ("weight", "bias")
            ),
            "norm.weight",
            "norm.bias",
            "head.weight",
        ),
        "transformer": (*_INPUT, *_of("blocks.*", _PRE_NORM), "norm.weight", "head.weight"),
    }
)
"""The tensors of a run that may be exported, by architecture."""


def exported_names(architecture: str, names: Iterable[str]) -> dict[str, str]:
    """The name in an exported folder of each tensor of a run. Raises UsageError for one that has none."""
    known = _pattern(architecture)
    exported = {}
    for name in names:
        if known.fullmatch(name) is None:
            raise UsageError(f"A model of the architecture {architecture} has no tensor '{name}' to export.")
        exported[name] = PREFIX + name
    return exported


def name_in_run(architecture: str, exported: str) -> str | None:
    """The name in a run of a tensor of an exported folder; None where the table has none."""
    name = exported.removeprefix(PREFIX)
    return name if exported != name and _pattern(architecture).fullmatch(name) else None


def _pattern(architecture: str) -> re.Pattern[str]:
    if architecture not in TENSORS:
        raise UsageError(f"Models of the architecture {architecture} cannot be exported.")
    return re.compile("|".join(re.escape(name).replace(r"\*", "[0-9]+") for name in TENSORS[architecture]))
