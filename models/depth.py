"""Depth: how often shared weights are applied, and the named modes of the dial."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.nearest import did_you_mean

if TYPE_CHECKING:  # this file needs no torch
    from models.recursive_lm import RecursiveLM


@dataclass(frozen=True, slots=True, order=True)
class Depth:
    """N cycles of T steps.

    A two-level model runs `cycles` high-level cycles of `steps` low-level steps each. A one-level model
    applies its core `cycles` times and ignores `steps`. With `halt`, 0 to 1, a token leaves before the last
    cycle once its halting score has reached that number. Raises UsageError for numbers out of bounds.
    """

    cycles: int
    steps: int = 1
    halt: float | None = None

    def __post_init__(self) -> None:
        if self.cycles < 1 or self.steps < 1:
            raise UsageError(f"Depth {self.cycles}x{self.steps} is below 1x1.")
        if self.halt is not None and not 0 <= self.halt <= 1:
            raise UsageError(f"A halting threshold of {self.halt} is not between 0 and 1.")

    def __str__(self) -> str:
        return f"{self.cycles}x{self.steps}"

    def within(self, other: "Depth") -> bool:
        """Whether this depth has no more cycles and no more steps than `other`."""
        return self.cycles <= other.cycles and self.steps <= other.steps


MODES: Mapping[str, Depth] = MappingProxyType(
    {
        "fast": Depth(1, 1),
        "normal": Depth(2, 2),
        "deep": Depth(3, 2),
        "thorough": Depth(4, 3),
        "extreme": Depth(6, 4),
    }
)
DEPTHS = (Depth(1, 1), Depth(2, 1), Depth(1, 2), Depth(2, 2), Depth(3, 2), Depth(4, 3), Depth(6, 4))
"""The depths that instruments set side by side: those of the modes, and two between."""
DEFAULT_MODE = "normal"
AUTO_MODE = "auto"
"""Stands for the mode that `best_mode` gives."""


def depth_of(mode: str) -> Depth:
    """The depth of the mode with this name. Raises UsageError with the known names."""
    try:
        return MODES[mode]
    except KeyError:
        raise UsageError(f"There is no mode '{mode}'.", hint=did_you_mean(mode, MODES)) from None


MODE_TOLERANCE = 0.002
"""Nats per token, 0.2 % of the perplexity; of problems, 0.2 % of the answers. A deeper mode takes longer for
every token. A gain below this is within the chance of one held-out text, and does not count."""


def next_mode(mode: str) -> str:
    """The next deeper mode; after the deepest, the first."""
    modes = list(MODES)
    return modes[(modes.index(mode) + 1) % len(modes)]


def best_mode(losses: Mapping[str, float]) -> str | None:
    """The shallowest mode whose loss is within MODE_TOLERANCE of the lowest of `losses`, by mode.

    Give it the losses of trained modes only. None if no mode has a finite loss.
    """
    measured = [mode for mode in MODES if math.isfinite(losses.get(mode, math.nan))]
    lowest = min((losses[mode] for mode in measured), default=math.nan)
    return next((mode for mode in measured if losses[mode] <= lowest + MODE_TOLERANCE), None)


def best_mode_words(losses: Mapping[str, float]) -> str | None:
    """The best of `losses`, by trained mode. None if all are equal."""
    best = best_mode(losses)
    measured = [mode for mode in MODES if math.isfinite(losses.get(mode, math.nan))]
    if best is None or len({losses[mode] for mode in measured}) < 2:
        return None
    deeper = measured[measured.index(best) + 1 :]
    if not deeper:
        return best
    are_worse = all(losses[mode] > losses[best] + MODE_TOLERANCE for mode in deeper)
    return f"{best}; deeper modes are {'worse' if are_worse else 'no better'}"


FULL_DEPTH_PROB = 0.25
"""Probability that a training step uses the trained depth. The other steps draw a depth uniformly, so that
every mode is trained, and the deepest one most often."""


def sample_depth(trained: Depth, seed: int, step: int, full_depth_prob: float = FULL_DEPTH_PROB) -> Depth:
    """The depth of training step `step`, at most `trained`.

    It depends on the arguments alone, so that a resumed run draws the same depths as one without a pause.
    """
    draw = random.Random(f"{seed}:{step}")
    if draw.random() < full_depth_prob:
        return trained
    return Depth(draw.randint(1, trained.cycles), draw.randint(1, trained.steps))


def has_steps(model: "RecursiveLM") -> bool:
    """Whether the `steps` of a depth change anything for this model."""
    return model.attention_calls(Depth(1, 2)) != model.attention_calls(Depth(1, 1))


def effective_depth(model: "RecursiveLM", depth: Depth) -> Depth:
    """What `depth` comes to in this model: some ignore the steps, go less deep, or do not recur at all."""
    reached = model.reached(depth) if model.recursive else Depth(1)
    return reached if has_steps(model) else Depth(reached.cycles)


def distinct_depths(model: "RecursiveLM") -> list[Depth]:
    """The depths that differ for this model: of those that come to the same, the first in DEPTHS."""
    found: dict[Depth, Depth] = {}
    for depth in DEPTHS:
        found.setdefault(effective_depth(model, depth), depth)
    return list(found.values())


def depth_name(model: "RecursiveLM", depth: Depth) -> str:
    """Cycles x steps, or cycles alone where the model has no steps."""
    return str(depth) if has_steps(model) else str(effective_depth(model, depth).cycles)


def mode_at(model: "RecursiveLM", depth: Depth) -> str | None:
    """The first mode that comes to the same as `depth` in this model."""
    wanted = effective_depth(model, depth)
    return next((mode for mode, one in MODES.items() if effective_depth(model, one) == wanted), None)


def is_trained(model: "RecursiveLM", depth: Depth) -> bool:
    """Whether training uses `depth`. If not, a mode of that depth extrapolates.

    Training uses no depth with more cycles or more steps than the trained one, even if it costs less.
    """
    reached = model.reached(depth)
    reached = reached if has_steps(model) else Depth(reached.cycles)
    return not model.recursive or reached.within(model.trained_depth)
