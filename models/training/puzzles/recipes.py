"""Sizes, batches and lengths that suit a puzzle, for whoever leaves them open. Torch-free.

The figures come from runs on two CPU cores.
"""

from collections.abc import Mapping
from typing import Any

MINUTES: Mapping[int, float] = {4: 2.0, 6: 5.0, 9: 20.0}
"""By the side of the grid."""

_WIDTHS: Mapping[int, int] = {4: 64, 6: 64, 9: 96}
_MODEL: Mapping[str, Mapping[str, Any]] = {
    "trm": {"layers": 2, "max_cycles": 1},
    "hrm": {"l_layers": 1, "h_layers": 1, "max_cycles": 1},
}
ARCHITECTURES = tuple(_MODEL)
"""Those that solve puzzles, the usual one first."""


def model_recipe(architecture: str, size: int) -> dict[str, Any]:
    """The model for grids of that side."""
    width = _WIDTHS[size]
    return {
        **_MODEL[architecture],
        "max_steps": 2 if size < 9 else 3,
        "d_model": width,
        "n_heads": 4,
        "d_feed_forward": 2 * width,
        "gradient_cycles": 1,
        "supervision_steps": 8 if size < 9 else 16,
        "supervision_power": 0.0,
        "halting_weight": 0.5,
    }


def training_recipe(size: int) -> dict[str, Any]:
    """The training for grids of that side."""
    return {
        "batch_size": 64,
        "warmup_steps": 50,
        "average_decay": 0.995 if size < 9 else 0.999,
        "cooldown": 0.5,
        "late_recursion": 0.0,
        "deepest_share": 1.0,
    }
