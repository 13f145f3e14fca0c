"""Settings of text generation. Torch-free."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.errors import UsageError
from models.runs.typed_json import JsonObject

MAX_SEED = 2**63 - 1
TEMPERATURES = (0.0, 10.0)
PENALTIES = (0.1, 10.0)
TOP_PS = (1e-6, 1.0)


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How tokens are sampled and when the text ends. Raises UsageError for a value out of range."""

    max_tokens: int | None = 256
    """Longest continuation, in tokens. None: no limit."""

    temperature: float = 0.8
    """0 always takes the most likely token; 1 samples from the model's distribution."""

    top_k: int = 0
    """Sample among the k most likely tokens; 0 is off."""

    top_p: float = 0.95
    """Sample among the fewest tokens whose probability reaches this; 1 is off."""

    min_p: float = 0.0
    """Drop tokens less likely than this share of the most likely one; 0 is off."""

    repetition_penalty: float = 1.0
    """Above 1, tokens already in the text become less likely; 1 is off."""

    no_repeat_ngram: int = 0
    """No sequence of this many tokens appears twice; 0 is off."""

    stop: tuple[str, ...] = ()
    """The text ends before the first of these strings."""

    natural_stop: bool = False
    """The text ends with its first sentence."""

    seed: int | None = None
    """The same seed gives the same text. None: a random one."""

    halt: bool = False
    """Stop recursing on a token once the model is sure enough."""

    halt_threshold: float | None = None
    """How sure, 0 to 1; higher recurses longer. None: the model's default."""

    def __post_init__(self) -> None:
        tokens = self.max_tokens
        _check(tokens is None or tokens >= 1, "largest number of tokens", tokens, "1 or more")
        low, high = TEMPERATURES
        allowed = f"between 0 (greedy) and {high:g}"
        _check(low <= self.temperature <= high, "temperature", self.temperature, allowed)
        _check(self.top_k >= 0, "top-k", self.top_k, "0 (off) or more")
        _check(TOP_PS[0] <= self.top_p <= TOP_PS[1], "top-p", self.top_p, "above 0 and at most 1 (off)")
        _check(0 <= self.min_p <= 1, "min-p", self.min_p, "between 0 (off) and 1")
        penalty, (low, high) = self.repetition_penalty, PENALTIES
        allowed = f"between {low:g} and {high:g}; 1 is off"
        _check(low <= penalty <= high, "repetition penalty", penalty, allowed)
        _check(self.no_repeat_ngram >= 0, "n-gram length", self.no_repeat_ngram, "0 (off) or more")
        _check(all(self.stop), "stop string", "''", "at least one character long")
        _check(
            self.seed is None or 0 <= self.seed <= MAX_SEED, "seed", self.seed, f"between 0 and {MAX_SEED}"
        )
        threshold = self.halt_threshold
        _check(threshold is None or 0 <= threshold <= 1, "halting threshold", threshold, "between 0 and 1")

    def changed(self, **values: Any) -> "GenerationConfig":
        """A copy with these fields replaced. Raises UsageError for an invalid value."""
        return dataclasses.replace(self, **values)

    def to_dict(self) -> JsonObject:
        """Plain values, ready for JSON."""
        return {**dataclasses.asdict(self), "stop": list(self.stop)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GenerationConfig":
        """Read settings from a JSON object; unknown keys are ignored. Raises UsageError for a wrong type."""
        known = {field.name for field in dataclasses.fields(cls)}
        found = {key: value for key, value in values.items() if key in known}
        if "stop" in found:
            stop = found["stop"]
            if not isinstance(stop, list | tuple) or not all(isinstance(text, str) for text in stop):
                raise UsageError("The stop strings are not a list of strings.")
            found["stop"] = tuple(stop)
        for key, value in found.items():
            if key == "stop" or (value is None and key in ("max_tokens", "seed", "halt_threshold")):
                continue
            if key == "halt":
                found[key] = bool(value)
                continue
            if not isinstance(value, int | float) or (isinstance(value, float) and not math.isfinite(value)):
                raise UsageError(f"The generation setting '{key}' is {value!r}, not a number.")
        for key in ("max_tokens", "top_k", "no_repeat_ngram", "seed"):
            if found.get(key) is not None:
                if int(found[key]) != found[key]:
                    raise UsageError(f"The generation setting '{key}' is {found[key]!r}, not a whole number.")
                found[key] = int(found[key])  # 40.0 in a file is 40
        return cls(**found)


def _check(holds: bool, name: str, value: object, allowed: str) -> None:
    # NaN compares false with everything, so it fails here too.
    if not holds:
        raise UsageError(f"The {name} is {value}; it must be {allowed}.")
