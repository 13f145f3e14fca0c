"""Notes for the user on what a mode does for one model. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from data.wording import counted, percent
from models.depth import (
    MODE_TOLERANCE,
    Depth,
    best_mode,
    best_mode_words,
    depth_of,
    has_steps,
    is_trained,
)

if TYPE_CHECKING:
    from models.recursive_lm import RecursiveLM


def extrapolates(model: RecursiveLM, depth: Depth) -> bool:
    """Whether `depth` is deeper than the model was trained."""
    return not is_trained(model, depth)


def mode_note(model: RecursiveLM, mode: str) -> str | None:
    """A note if `mode` has no effect or is deeper than training, or None."""
    depth = depth_of(mode)
    if not model.recursive:
        return f"This model has no recursion; mode {mode} changes nothing."
    if mode not in model.modes():
        return f"This model goes no deeper than mode {list(model.modes())[-1]}; mode {mode} is the same."
    if extrapolates(model, depth):
        two_levels = has_steps(model)
        uses = str(depth) if two_levels else counted(model.passes(depth), "pass")
        trained = model.trained_depth if two_levels else model.passes(model.trained_depth)
        return f"Mode {mode} uses {uses}, training at most {trained}. This extrapolation may give worse text."
    return None


def measured_note(mode: str, losses: Mapping[str, float], kind: str = "text") -> str | None:
    """How `mode` compares with the best of `losses`, by trained mode as `mode_losses` has them, or None.

    `kind` is what the model learned. Of problems, the losses are shares of wrong answers.
    """
    best, words = best_mode(losses), best_mode_words(losses)
    if best is None or words is None:
        return None
    if not losses.get(mode, math.nan) > losses[best] + MODE_TOLERANCE:
        return f"The best measured mode is {words}."
    if kind == "problems":
        compared = f"{percent(losses[mode])} wrong answers against {percent(losses[best])}"
    else:
        compared = f"loss {losses[mode]:.4f} against {losses[best]:.4f}"
    return f"Mode {mode} measured worse than {best}: {compared}."


def halt_note(model: RecursiveLM, mode: str, threshold: float | None) -> str | None:
    """A note if early halting has no effect at `mode`, or None."""
    if model.early_exit == "never" or model.passes(depth_of(mode)) == 1:
        return f"At mode {mode} this model cannot halt early; {{halt}} changes nothing."
    if model.early_exit == "always" and threshold is None:
        return (
            f"This model's router always halts early, at a threshold of {model.default_halt:g}; "
            "{halt_threshold} changes it."
        )
    return None
