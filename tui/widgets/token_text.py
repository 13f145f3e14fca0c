"""A text whose tokens have the colour of the passes they took, or of how likely the model found them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from tui.answer_tokens import Coloring, Piece
from tui.content import joined
from tui.theme import level_style

if TYPE_CHECKING:
    from models.analysis.trace import TokenFigures


def token_text(tokens: "Sequence[TokenFigures]", coloring: Coloring, *, has_colors: bool) -> Content:
    """The tokens one after another. Those whose figure is not known have no colour."""
    parts: list[tuple[str, str] | str] = []
    for one in tokens:
        text = one.text.replace("\n", "⏎\n")
        if one.loss is None and coloring == "probability":
            parts.append(text)
        else:
            probability = math.exp(-one.loss) if one.loss is not None else 1.0
            level = Piece(0, len(text), probability, one.passes).level(coloring)
            parts.append((text, level_style(level, has_colors=has_colors)))
    return joined(*parts)


def passes_style(passes: float, *, has_colors: bool) -> str:
    """The style of the tokens that took so many passes."""
    return level_style(Piece(0, 0, 1.0, passes).level("passes"), has_colors=has_colors)
