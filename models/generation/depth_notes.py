"""What a mode means for one model, in words and numbers. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.recursion import Depth, depth_of, has_steps, is_trained
from models.wording import counted

if TYPE_CHECKING:
    from models.recursive_lm import RecursiveLM


def extrapolates(model: RecursiveLM, depth: Depth) -> bool:
    """Whether training never went as deep as `depth`."""
    return not is_trained(model, depth)


def mode_note(model: RecursiveLM, mode: str) -> str | None:
    """What the user should know about `mode` before trusting it, or None."""
    depth = depth_of(mode)
    if not model.recursive:
        return f"This model has no recursion: mode {mode} changes nothing."
    if mode not in model.modes():
        return f"This model goes no deeper than mode {list(model.modes())[-1]}: mode {mode} is the same."
    if extrapolates(model, depth):
        two_levels = has_steps(model)
        goes = f"goes to {depth}" if two_levels else f"makes {counted(model.passes(depth), 'pass')}"
        trained = model.trained_depth if two_levels else model.passes(model.trained_depth)
        return f"Mode {mode} {goes}, training went to {trained}: this is an extrapolation and may read worse."
    return None


def halt_note(model: RecursiveLM, mode: str, threshold: float | None) -> str | None:
    """What the user should know who asked tokens to leave early, where that comes to nothing."""
    if model.early_exit == "never" or model.passes(depth_of(mode)) == 1:
        return f"At mode {mode} this model's tokens have nothing to leave early: {{halt}} changes nothing."
    if model.early_exit == "always" and threshold is None:
        return (
            f"This model's router lets tokens leave anyhow, at a threshold of {model.default_halt:g}: "
            "{halt_threshold} moves it."
        )
    return None
