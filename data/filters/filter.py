"""What a filter is: a name, a sentence, and a test of one text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from data.errors import UsageError


class Filter(Protocol):
    """Drops texts. The same text is judged alike whenever it comes, but for what a Memory has seen."""

    @property
    def name(self) -> str:
        """As it is chosen and counted: `url`, `length:20-200`."""

    @property
    def sentence(self) -> str:
        """What it drops, after "drops texts": "with a web address"."""

    def drops(self, text: str) -> bool:
        """Whether this text is dropped."""


class Memory(Filter, Protocol):
    """A filter that compares a text with those kept before it."""

    def remember(self, text: str) -> None:
        """Note a text that is kept: the one that `drops` has just judged."""

    def size(self) -> int:
        """How much is remembered, to go back to."""

    def forget(self, size: int) -> None:
        """Go back to when `size` was that."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter that looks at one text alone."""

    name: str
    sentence: str
    test: Callable[[str], bool]

    def drops(self, text: str) -> bool:
        return self.test(text)


def take_no_value(name: str, value: str | None) -> None:
    """Raise UsageError for a value of a filter that takes none."""
    if value is not None:
        raise UsageError(f"The filter '{name}' takes no value.", hint=f"Write {name} alone.", field="filters")


def whole_number(name: str, value: str, lowest: int, highest: int) -> int:
    """The number in `NAME:VALUE`. Raises UsageError for what is none, or out of range."""
    if value.isascii() and value.isdigit() and len(value) < 10 and lowest <= int(value) <= highest:
        return int(value)
    raise UsageError(
        f"The filter '{name}' takes a whole number from {lowest} to {highest}, not '{value}'.",
        field="filters",
    )
