"""A text whose tokens have the colour of a figure: the passes they took, or how they surprised the model."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from textual.content import Content

from tui.content import joined

if TYPE_CHECKING:
    from models.analysis.trace import TokenFigures

Coloring = Literal["passes", "surprise"]
COLORS = ("$primary", "$success", "$accent", "$warning", "$error")
"""From the least to the greatest."""


def color_of(value: float, low: float, high: float) -> str:
    """The colour of a figure between `low` and `high`."""
    share = min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0
    return COLORS[round(share * (len(COLORS) - 1))]


def token_text(tokens: "Sequence[TokenFigures]", coloring: Coloring) -> tuple[Content, Content]:
    """The tokens one after another, and the scale of their colours. Surprise begins at 0 nats."""
    figure: Callable[[TokenFigures], float | None] = (
        (lambda one: one.passes) if coloring == "passes" else (lambda one: one.loss)
    )
    known = [value for one in tokens if (value := figure(one)) is not None and math.isfinite(value)]
    low, high = (min(known, default=0.0) if coloring == "passes" else 0.0), max(known, default=0.0)
    parts: list[tuple[str, str] | str] = []
    for one in tokens:
        value, text = figure(one), one.text.replace("\n", "⏎\n")
        is_known = value is not None and math.isfinite(value)
        parts.append((text, color_of(value or 0.0, low, high)) if is_known else text)
    unit = "recursions" if coloring == "passes" else "nats"
    scale = joined(f"{low:.3g} ", *(("━━", color) for color in COLORS), f" {high:.3g} {unit}")
    return joined(*parts), scale
