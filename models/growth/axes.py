"""In which ways a model can grow, as they are typed, and what it is afterwards. Torch-free."""

from collections.abc import Container, Mapping

from data.errors import UsageError
from models.config import ModelConfig

WAYS: Mapping[str, str] = {
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
"""Every way there is, and what it adds."""


def sizes(config: ModelConfig) -> dict[str, int]:
    """How large the model is today in each of the ways it can grow."""
    return {way: config.size_of(way) for way in WAYS if _refusal(config, way) is None}


def grown(config: ModelConfig, wanted: Mapping[str, int], closed: Container[str] = ()) -> ModelConfig:
    """The configuration of the model that is as large as `wanted` says, by way.

    Raises UsageError for a way the model cannot grow in, with those it can but for the `closed` ones,
    and for a size that is no more than today's or beyond what the architecture allows.
    """
    if not wanted:
        raise UsageError("Nothing was said that is to grow.", hint=_what_can(config, closed))
    for way, size in wanted.items():
        if (refusal := _refusal(config, way)) is not None:
            raise UsageError(refusal, hint=_what_can(config, closed))
        now = config.size_of(way)
        if type(size) is not int:
            raise UsageError(f"--{way} {size} is not a whole number.", hint=f"Today it is {now:,}.")
        if size <= now:
            raise UsageError(
                f"--{way} {size:,} is no growth: today it is {now:,}.",
                hint=f"Say how many {WAYS[way]} there are to be in all, {now + 1:,} or more.",
            )
    try:
        return config.larger(wanted)
    except UsageError as error:
        asked = " and ".join(f"--{way} {size:,}" for way, size in wanted.items())
        raise UsageError(f"No model can have {asked}: {error.message}") from error


def differences(old: ModelConfig, new: ModelConfig) -> dict[str, tuple[int, int]]:
    """By way, from what to what the model has grown."""
    ways = [way for way in WAYS if way in old.growing and old.size_of(way) != new.size_of(way)]
    return {way: (old.size_of(way), new.size_of(way)) for way in ways}


def _refusal(config: ModelConfig, way: str) -> str | None:
    """Why the model cannot grow that way, as a whole sentence; None where it can."""
    if way not in WAYS:
        return f"There is no growing in '{way}'."
    if way not in config.growing:
        return f"A model of architecture {config.architecture} cannot grow by --{way}."
    reason = config.why_not_grow(way)
    return None if reason is None else f"This model cannot grow by --{way}: {reason}."


def _what_can(config: ModelConfig, closed: Container[str]) -> str:
    open_ways = {way: size for way, size in sizes(config).items() if way not in closed}
    ways = ", ".join(f"--{way} ({WAYS[way]}, now {size:,})" for way, size in open_ways.items())
    return f"It can grow by {ways}." if ways else "It cannot grow in any way."
