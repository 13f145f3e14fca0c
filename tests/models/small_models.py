"""Small models of every architecture, for the tests of what holds for all of them."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.architectures import ARCHITECTURES, build_model, model_config
from models.config import TrainingConfig
from models.depth import MODES, Depth, sample_depth
from models.layers.block import Block
from models.presets import PRESETS
from models.recursive_lm import RecursiveLM
from models.runs.run_state import Schedule
from models.training.optimizer import Optimizers
from models.training.schedule import learning_rate_factor

VOCABULARY = 24
CONTEXT = 16
SMALL: dict[str, dict[str, Any]] = {
    "hrm": {"l_layers": 1, "h_layers": 1, "d_feed_forward": 64},
    "trm": {"layers": 1, "d_feed_forward": 64},
    "recursive_router": {"n_layers": 1},
    "mixture_of_recursions": {"n_layers": 2},
    "transformer": {"n_layers": 2},
}
"""Dials that make an architecture small, where its defaults do not."""
Kind = tuple[str, dict[str, Any]]
"""An architecture or a preset, and the fields that differ from its own."""
RECURSIVE = [name for name in ARCHITECTURES if name != "transformer"]


def small_model(
    architecture: str, *, vocabulary: int = VOCABULARY, seed: int = 0, **dials: Any
) -> RecursiveLM:
    """A fresh model whose weights follow from `seed`."""
    size = {"d_model": 32, "n_heads": 2, "context_length": CONTEXT, **SMALL.get(architecture, {})}
    values = {"architecture": architecture, **size, **dials, "vocab_size": vocabulary}
    torch.manual_seed(seed)
    return build_model(model_config(values)).eval()


def stirred(model: RecursiveLM) -> RecursiveLM:
    """The same model with every weight moved, as training would: zeros in a new one hide what it does."""
    with torch.no_grad():
        for weight in model.parameters():
            spread = 0.4 * weight.size(-1) ** -0.5 if weight.ndim >= 2 else 0.1
            weight.add_(torch.randn_like(weight) * spread)
    return model


KINDS = [
    pytest.param(
        (name, {"ngram": ngram, "positions": positions}),
        id=f"{name}-{ngram}-{positions}",
        # Every day each architecture meets each input and each position; in the long proofs, all pairs.
        marks=[] if (ngram == 3) == (positions == "rotary") else [pytest.mark.slow],
    )
    for name, ngram, positions in itertools.product(ARCHITECTURES, (0, 3), ("rotary", "learned"))
]
NAMED = [
    pytest.param(
        (name, {}), id=name, marks=[pytest.mark.slow] if preset.model.get("d_model", 0) >= 256 else []
    )
    for name, preset in PRESETS.items()
    if preset.on_gpu is None  # else it is another by a second name
]
OPTIONS = [
    pytest.param(("looped", {"tied": True, "core_layers": 2}), id="looped-tied"),
    pytest.param(("looped", {"gated": True, "core_layers": 2}), id="looped-gated"),
    pytest.param(("hrm", {"output": "stablemax", "gradient_cycles": 1}), id="hrm-stablemax"),
    pytest.param(("ouroboros", {"tied": False, "passes": 8}), id="ouroboros-untied"),
    *(
        pytest.param(("recursive_router", {"router": router, "tied": tied, "positions": positions}), id=name)
        for name, router, tied, positions in (
            ("router-soft", "soft", False, "rotary"),
            ("router-fixed", "fixed", True, "learned"),
            ("router-waves", "hard", True, "sinusoidal"),
        )
    ),
    pytest.param(("mixture_of_recursions", {"router": "fixed", "tied": True}), id="mor-fixed"),
    pytest.param(("mixture_of_recursions", {"max_steps": 4, "positions": "sinusoidal"}), id="mor-waves"),
    pytest.param(
        (
            "transformer",
            {"tied": True, "norm": "layer", "feed_forward": "gelu", "gpt2_weights": True, "qk_norm": False},
        ),
        id="transformer-gpt2",
    ),
]
EVERYTHING = [*KINDS, *OPTIONS, *NAMED]
MODEST = [*KINDS, *OPTIONS]


def new_model(kind: Kind, seed: int = 0, vocabulary: int = VOCABULARY, **more: Any) -> RecursiveLM:
    """A fresh model of that kind: a small one of an architecture, or a preset's."""
    name, options = kind
    if name in ARCHITECTURES:
        return small_model(name, vocabulary=vocabulary, seed=seed, **options, **more)
    values = {"architecture": PRESETS[name].architecture, **PRESETS[name].model, **options, **more}
    torch.manual_seed(seed)
    return build_model(model_config({**values, "vocab_size": vocabulary})).eval()


def random_tokens(*shape: int, vocabulary: int = VOCABULARY) -> Tensor:
    return torch.randint(0, vocabulary, shape)


def steps_of(model: RecursiveLM, batches: Iterator[Tensor], steps: int) -> Iterator[tuple[int, float]]:
    """Train on (B, T + 1) blocks at sampled depths, as the trainer does; yields step and loss."""
    config = TrainingConfig(warmup_steps=5)
    optimizers, schedule = Optimizers(model, config), Schedule.over(0, steps)
    model.train()
    for step in range(steps):
        blocks = next(batches)
        optimizers.zero_grad()
        parts = model.training_loss(blocks[:, :-1], blocks[:, 1:], sample_depth(model.trained_depth, 0, step))
        parts.total.backward()
        yield step, float(parts.next_token)
        optimizers.step(learning_rate_factor(schedule, step, config))
    model.eval()


def noise(rows: int, alphabet: int) -> Iterator[Tensor]:
    """Blocks nobody can predict, new ones for ever."""
    draw = torch.Generator().manual_seed(7)
    while True:
        yield torch.randint(0, alphabet, (rows, CONTEXT + 1), generator=draw)


def distinct_depths(model: RecursiveLM) -> dict[int, Depth]:
    """A depth for every number of block calls that the modes make, by that number."""
    return {model.attention_calls(depth): depth for depth in MODES.values()}


def blocks_of(model: nn.Module) -> list[Block]:
    return [part for part in model.modules() if isinstance(part, Block)]


def of_the_text(states: Tensor) -> bool:
    """Whether (B, T, D) are states of a batch's rows. A learned prefix is read once for all rows."""
    return len(states) > 1


def block_calls(model: RecursiveLM, depth: Depth) -> int:
    """How often blocks are applied to the text in one forward pass at `depth`.

    As in training, where a pass is computed whether or not there are tokens that want it.
    """
    return calls_during(model, lambda: model(random_tokens(2, 4), depth))


def calls_during(model: RecursiveLM, action: Callable[[], object]) -> int:
    """How often blocks are applied to the text in `action`."""
    calls = 0

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal calls
        calls += of_the_text(output)

    handles = [block.register_forward_hook(count) for block in blocks_of(model)]
    action()
    for handle in handles:
        handle.remove()
    return calls
