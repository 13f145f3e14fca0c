"""A text to be continued beside others, and how that can fail. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import RlmError

if TYPE_CHECKING:
    from models.depth import Depth
    from models.generation.row import GeneratedToken
    from models.generation.settings import GenerationConfig


@dataclass(slots=True, eq=False)
class Continuation:
    """A text to be continued. Its settings are its own, and so is its seed."""

    prompt: Sequence[int]
    depth: Depth
    config: GenerationConfig
    row: int = 0
    """The number that its tokens carry, for whoever asked for several texts."""
    alternatives: int = 0
    """How many of the likeliest tokens each token comes with."""
    cancelled: bool = False
    """Set it, from any thread, and the text gets no further token."""


Result = tuple[Continuation, "GeneratedToken | RlmError"]
"""The next token of a text, or the error that ends it."""


class QueueFullError(RlmError):
    """Too many texts wait already."""


class StoppedError(RlmError):
    """No texts are written any more."""
