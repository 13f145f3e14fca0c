"""The axes along which a model can grow, as they are typed, and the grown configuration. Torch-free."""

import re
from collections.abc import Container, Mapping
from decimal import Decimal

from data.errors import UsageError
from models.config import ModelConfig

AXES: Mapping[str, str] = {
    "layers": "blocks",
    "l-layers": "low-level blocks",
    "h-layers": "high-level blocks",
    "prelude": "blocks before the loop",
    "core": "blocks in the loop",
    "coda": "blocks after the loop",
    "loops": "loops",
    "ff": "feed-forward units",
    "vocab": "tokens",
}
"""Every axis, and what it counts."""
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([kmg]?)", re.ASCII | re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def parameters_in(text: str) -> int:
    """Parse a number such as 4M, 1.5m, 500k or 4000000. Raises UsageError."""
    match = _NUMBER.fullmatch(text.strip().replace("_", "").replace(",", ""))
    number = Decimal(match[1]) * _UNITS[match[2].lower()] if match is not None else Decimal(0)
    if not 1 <= number < 10**15:
        raise UsageError(
            f"'{text[:60]}' is not a number of parameters.", hint="Write it as 4M, 500k or 4000000."
        )
    return int(number)


def sizes(config: ModelConfig) -> dict[str, int]:
    """The model's size along each axis that it can grow along."""
    return {axis: config.size_of(axis) for axis in AXES if _refusal(config, axis) is None}


def grow_config(
    config: ModelConfig, new_sizes: Mapping[str, int], closed: Container[str] = ()
) -> ModelConfig:
    """The configuration with `new_sizes`, by axis.

    Raises UsageError for an axis the model cannot grow along, and for a size that is not above the present
    one or beyond what the architecture allows. Its hint lists the open axes, without the `closed` ones.
    """
    if not new_sizes:
        example = next((f", for example --{axis} {size + 1}" for axis, size in sizes(config).items()), "")
        raise UsageError(f"Say what to grow{example}.", hint=_open_axes(config, closed))
    for axis, size in new_sizes.items():
        if (refusal := _refusal(config, axis)) is not None:
            raise UsageError(refusal, hint=_open_axes(config, closed))
        now = config.size_of(axis)
        if type(size) is not int:
            raise UsageError(f"--{axis} {size} is not a whole number.", hint=f"Now it is {now:,}.")
        if size <= now:
            raise UsageError(
                f"--{axis} is already {now:,}; give {now + 1:,} or more.",
                hint=f"It is the number of {AXES[axis]} after growing.",
            )
    try:
        return config.larger(new_sizes)
    except UsageError as error:
        typed = " and ".join(f"--{axis} {size:,}" for axis, size in new_sizes.items())
        raise UsageError(f"No model can have {typed}: {error.message}") from error


def differences(old: ModelConfig, new: ModelConfig) -> dict[str, tuple[int, int]]:
    """The old and the new size along each axis on which the model has grown."""
    axes = [axis for axis in AXES if axis in old.growth_axes and old.size_of(axis) != new.size_of(axis)]
    return {axis: (old.size_of(axis), new.size_of(axis)) for axis in axes}


def _refusal(config: ModelConfig, axis: str) -> str | None:
    """Why the model cannot grow along an axis, as a whole sentence; None where it can."""
    if axis not in AXES:
        return f"A model cannot grow in '{axis}'."
    if axis not in config.growth_axes:
        return f"A model of architecture {config.architecture} cannot grow by --{axis}."
    reason = config.why_not_grow(axis)
    return None if reason is None else f"This model cannot grow by --{axis}: {reason}."


def _open_axes(config: ModelConfig, closed: Container[str]) -> str:
    now = {axis: size for axis, size in sizes(config).items() if axis not in closed}
    axes = ", ".join(f"--{axis} ({AXES[axis]}, now {size:,})" for axis, size in now.items())
    return f"It can grow by {axes}." if axes else "It cannot grow in any way."
