"""Sizes, batches and lengths that suit a puzzle, for whoever leaves them open.

The figures come from runs on two CPU cores. What suits an architecture in particular stands in
its own file.
"""

from collections.abc import Mapping
from typing import Any

from data.errors import UsageError
from models.architectures import ARCHITECTURES, DEFAULT_PUZZLE_ARCHITECTURE, config_type
from models.architectures.two_state import TwoStateConfig

MINUTES: Mapping[int, float] = {4: 2.0, 6: 5.0, 9: 20.0}
"""By the side of the grid."""

_WIDTHS: Mapping[int, int] = {4: 64, 6: 64, 9: 96}


def puzzle_architectures() -> tuple[str, ...]:
    """Those that solve puzzles, the usual one first."""
    found = (name for name in ARCHITECTURES if issubclass(config_type(name), TwoStateConfig))
    return tuple(sorted(found, key=lambda name: name != DEFAULT_PUZZLE_ARCHITECTURE))


def require_puzzle_architecture(name: str) -> type[TwoStateConfig]:
    """Its configuration class. Raises UsageError for one that solves no puzzles, and where there is none."""
    found = config_type(name)
    if not issubclass(found, TwoStateConfig):
        raise UsageError(
            f"Architecture '{name}' solves no puzzles.",
            hint=f"Choose one of: {', '.join(puzzle_architectures())}.",
        )
    return found


def model_recipe(architecture: str, size: int) -> dict[str, Any]:
    """The model for grids of that side. Raises UsageError as `require_puzzle_architecture`."""
    width = _WIDTHS[size]
    return {
        **require_puzzle_architecture(architecture).puzzle_shape,
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
