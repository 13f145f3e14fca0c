"""Chooses blocks and feed-forward width so that a model comes nearest to a number of parameters.

The parameters of our architectures are a sum over their blocks, and linear in the feed-forward width. So a
few models on the meta device give the counts of all. The search is over the number of added blocks only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from data.errors import UsageError
from models.architectures import skeleton
from models.config import ModelConfig
from models.growth.axes import sizes

NEAR = 0.01
"""Share of the target. Of all plans this near to it, the one with most blocks is taken."""
WIDEST = 4
"""The largest factor by which a feed-forward network is widened at once."""
_WIDTH_STEPS = 64
"""A feed-forward network doubles in about so many steps of width."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """A model with `larger` sizes, by axis as in `axes.grow_config`, and its parameters."""

    blocks: int
    """How many are added."""
    larger: Mapping[str, int]
    parameters: int


def parameter_count(config: ModelConfig) -> int:
    """All parameters of the model, a tied head counted once. Allocates no memory for them."""
    return skeleton(config).parameter_counts()[0]


def nearest(config: ModelConfig, target_parameters: int, *, at_most: bool = False) -> ModelConfig:
    """The model, grown in blocks and feed-forward width, whose parameters come nearest to a target.

    Of those within one per cent of the target it is the one with most blocks. Blocks are added in the order
    of `ModelConfig.block_axes`, and the width makes up for the rest. With `at_most` it has no more parameters
    than the target. Raises UsageError where the target is not above the present number, is out of reach, or
    is nearer to the present number than to the smallest growth.
    """
    now = parameter_count(config)
    if target_parameters <= now:
        raise UsageError(
            f"The model already has {now:,} parameters; {target_parameters:,} is not more.",
            hint=f"Give more than {now:,}.",
        )
    shapes = list(_shapes(config, now, target_parameters))
    most = max((shape.parameters for shape in shapes), default=now)
    if not at_most and most < (1 - NEAR) * target_parameters:
        raise UsageError(
            f"A target of {target_parameters:,} parameters cannot be met: "
            + (f"the model can grow to {most:,}." if shapes else "this model has no room to grow."),
            hint="Train a larger model from the start: {train FILE model.d_model=N}",
        )
    most_allowed = target_parameters if at_most else target_parameters + (target_parameters - now)
    fitting = [shape for shape in shapes if shape.parameters <= most_allowed]
    if not fitting:
        least = min(shape.parameters for shape in shapes) if shapes else now
        raise UsageError(
            f"A target of {target_parameters:,} parameters cannot be met: the smallest growth, from "
            f"{now:,}, is to {least:,}.",
            hint=f"Give {least:,} or more.",
        )
    best = min(abs(shape.parameters - target_parameters) for shape in fitting)
    tolerance = max(best, NEAR * target_parameters)
    near = [shape for shape in fitting if abs(shape.parameters - target_parameters) <= tolerance]
    chosen = max(near, key=lambda shape: (shape.blocks, -abs(shape.parameters - target_parameters)))
    return config.larger(chosen.larger)


def _shapes(config: ModelConfig, now: int, target: int) -> Iterator[_Shape]:
    """The candidates: for each number of added blocks, the widths nearest to the target."""
    width = sizes(config).get("ff", 0)
    wider = _count(config, {"ff": width + 1}) - now if width else 0  # parameters of one more unit
    per_block: dict[str, tuple[int, int]] = {}
    for axis in dict.fromkeys(config.block_axes):
        one_more = {axis: config.size_of(axis) + 1}
        if not _is_allowed(config, one_more):
            continue
        block = _count(config, one_more) - now
        unit = _count(config, {**one_more, "ff": width + 1}) - now - block - wider if width else 0
        per_block[axis] = (block, unit)
    blocks: dict[str, int] = {}
    parameters, slope = now, wider
    for added, turn in enumerate([None, *_turns(config, list(per_block))]):
        if turn is not None:
            blocks[turn] = blocks.get(turn, config.size_of(turn)) + 1
            parameters += per_block[turn][0]
            slope += per_block[turn][1]
            yield _Shape(added, dict(blocks), parameters)
        for units in _widths(width, (target - parameters) / slope) if slope else ():
            yield _Shape(added, {**blocks, "ff": width + units}, parameters + units * slope)


def _turns(config: ModelConfig, axes: list[str]) -> Iterator[str]:
    """The axis that gets a block next, until none may have more."""
    sizes_now = {axis: config.size_of(axis) for axis in axes}
    full: set[str] = set()
    while len(full) < len(axes):
        for axis in config.block_axes:
            if axis not in sizes_now or axis in full:
                continue
            if not _is_allowed(config, {axis: sizes_now[axis] + 1}):
                full.add(axis)
                continue
            sizes_now[axis] += 1
            yield axis


def _widths(width: int, wanted: float) -> set[int]:
    """Numbers of added units: those next to `wanted`, and the largest allowed."""
    step = 1 << max(0, (width // _WIDTH_STEPS).bit_length() - 1)
    most = (WIDEST - 1) * width // step * step
    below = int(max(0.0, wanted) // step) * step
    return {units for units in (below, below + step, most) if 0 < units <= most}


def _count(config: ModelConfig, larger: Mapping[str, int]) -> int:
    return parameter_count(config.larger(larger))


def _is_allowed(config: ModelConfig, larger: Mapping[str, int]) -> bool:
    try:
        config.larger(larger)
    except UsageError:
        return False
    return True
