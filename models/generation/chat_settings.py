"""The settings of a chat, and the commands that change them. Torch-free."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.errors import UsageError
from models.depth import DEFAULT_MODE, Depth, depth_of
from models.generation.chat_commands import Command
from models.generation.settings import GenerationConfig
from models.runs.typed_json import JsonObject

_FIELDS = {
    "temp": "temperature",
    "topk": "top_k",
    "topp": "top_p",
    "minp": "min_p",
    "penalty": "repetition_penalty",
    "ngram": "no_repeat_ngram",
    "seed": "seed",
    "max": "max_tokens",
}
_SWITCHES = ("interactive", "batch", "natural", "unlimited", "halt", "debug")
SETTING_COMMANDS = frozenset({"mode", *_FIELDS, *_SWITCHES})
"""Commands that change a setting, or show it when typed without a value."""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The settings a user can change during a chat."""

    mode: str = DEFAULT_MODE
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    interactive: bool = True
    """Show the answer while it is generated, not only when it is complete."""

    debug: bool = False
    """Show each token with its id, probability and passes."""

    def __post_init__(self) -> None:
        depth_of(self.mode)

    @property
    def depth(self) -> Depth:
        return depth_of(self.mode)

    def with_command(self, command: Command) -> "ChatSettings":
        """A copy changed by `command`, which is one of SETTING_COMMANDS."""
        name, value = command.name, command.value
        if name == "mode" and value is not None:
            return dataclasses.replace(self, mode=value)
        if name in _FIELDS and value is not None:
            return self._with_generation(**{_FIELDS[name]: None if value == "off" else value})
        if name in ("interactive", "batch"):
            return dataclasses.replace(self, interactive=name == "interactive")
        if name == "natural":
            limit = self.generation.max_tokens or GenerationConfig().max_tokens
            return self._with_generation(natural_stop=True, max_tokens=limit)
        if name == "unlimited":
            return self._with_generation(natural_stop=False, max_tokens=None)
        if name == "halt" and value is not None:
            threshold = value if isinstance(value, float) else None
            return self._with_generation(halt=value is not False, halt_threshold=threshold)
        if name == "debug":
            return dataclasses.replace(self, debug=not self.debug if value is None else value)
        return self

    def describe(self, name: str) -> str:
        """The setting that the command `name` changes, as a short line."""
        generation = self.generation
        if name == "mode":
            return f"mode {self.mode} ({self.depth})"
        if name in ("interactive", "batch"):
            return "interactive: shown as it is written" if self.interactive else "batch: shown when complete"
        if name in ("natural", "unlimited", "max"):
            limit = "no limit" if generation.max_tokens is None else f"at most {generation.max_tokens} tokens"
            return limit + (", ends with its first sentence" if generation.natural_stop else "")
        if name == "halt":
            threshold = generation.halt_threshold
            how = "the model's threshold" if threshold is None else f"threshold {threshold:g}"
            return f"halt on, {how}" if generation.halt else "halt off"
        if name == "debug":
            return "debug on" if self.debug else "debug off"
        value = getattr(generation, _FIELDS[name])
        return f"{name} {'off' if value is None else format(value, 'g' if name != 'seed' else 'd')}"

    def rows(self) -> list[tuple[str, str]]:
        """Every setting as (name, value), for /status."""
        names = ("temp", "topk", "topp", "minp", "penalty", "ngram", "seed")
        return [
            ("mode", self.describe("mode").removeprefix("mode ")),
            *((name, self.describe(name).removeprefix(f"{name} ")) for name in names),
            ("halt", self.describe("halt").removeprefix("halt ")),
            ("length", self.describe("max")),
            ("shown", self.describe("interactive")),
        ]

    def to_dict(self) -> JsonObject:
        """Plain values, ready for JSON. `debug` is not saved with a conversation."""
        return {"mode": self.mode, "interactive": self.interactive, "generation": self.generation.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ChatSettings":
        """Read what `to_dict` wrote; missing keys get their defaults. Raises UsageError."""
        mode, generation = values.get("mode", DEFAULT_MODE), values.get("generation", {})
        if not isinstance(mode, str) or not isinstance(generation, Mapping):
            raise UsageError("These are not the settings of a chat.")
        interactive = values.get("interactive", True) is not False
        return cls(mode=mode, generation=GenerationConfig.from_dict(generation), interactive=interactive)

    def _with_generation(self, **values: Any) -> "ChatSettings":
        return dataclasses.replace(self, generation=self.generation.changed(**values))
