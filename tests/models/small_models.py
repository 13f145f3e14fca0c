"""Small models of every architecture, and weights that hide nothing."""

from typing import Any

import torch

from models.architectures import ARCHITECTURES, build_model, model_config
from models.recursive_lm import RecursiveLM

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
