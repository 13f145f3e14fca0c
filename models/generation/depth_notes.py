"""What a mode means for one model, in words and numbers. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.recursion import Depth, depth_of, is_trained

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
    if extrapolates(model, depth):
        trained = model.passes(model.trained_depth)
        return (
            f"Mode {mode} makes {model.passes(depth)} passes, training went to {trained}: "
            "this is an extrapolation and may read worse."
        )
    return None
