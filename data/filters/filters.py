"""The filters that were chosen, applied to one text after another, with what each has dropped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from data.errors import UsageError
from data.filters.duplicates import duplicates_filter, near_duplicates_filter
from data.filters.filter import Filter, Memory
from data.filters.rules import (
    length_filter,
    noise_filter,
    punctuation_filter,
    symbols_filter,
    url_filter,
    words_filter,
)
from data.filters.script import script_filter
from data.nearest import did_you_mean

SHORTEST_REPEATED_LINE = 20
"""Characters of a line below which it is no duplicate: "Yes." and the names of speakers come again."""
EXAMPLE = 200
"""Characters that are kept of a text as an example."""

_RULES: Mapping[str, Callable[[str | None], Filter]] = {
    "length": length_filter,
    "words": words_filter,
    "symbols": symbols_filter,
    "url": url_filter,
    "punctuation": punctuation_filter,
    "noise": noise_filter,
    "script": script_filter,
}
_MEMORIES: Mapping[str, Callable[[str | None, int], Memory]] = {
    "duplicates": duplicates_filter,
    "near-duplicates": near_duplicates_filter,
}
FILTERS = (*_RULES, *_MEMORIES)
"""The names of all filters, in the order in which they are applied: those that compare texts come last."""
PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"technical": ("length", "words", "symbols", "url", "punctuation", "noise", "duplicates")}
)
"""Several filters under one name."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What `Filters` had dropped and remembered at some time."""

    counts: Mapping[str, int]
    characters: Mapping[str, int]
    sizes: tuple[int, ...]


class Filters:
    """Filters with what they have dropped so far.

    The same texts in the same order give the same result. A text that is kept is compared with those after
    it, one that is dropped is not, so that filtering what was kept drops nothing more.
    """

    def __init__(self, names: Sequence[str] = (), *, of_lines: bool = False) -> None:
        """`names` as `parse_filters` writes them. `of_lines` is whether the texts are lines, of which short
        ones are no duplicates. Raises UsageError for a filter there is not."""
        shortest = SHORTEST_REPEATED_LINE if of_lines else 1
        chosen: dict[str, Filter] = {}
        self._memories: list[Memory] = []
        for kind, value in sorted(map(_split, names), key=_order):
            if kind in _MEMORIES:
                memory = _MEMORIES[kind](value, shortest)
                if memory.name not in chosen:
                    self._memories.append(memory)
                    chosen[memory.name] = memory
            else:
                rule = _RULES[kind](value)
                chosen.setdefault(rule.name, rule)
        self._filters = tuple(chosen.values())
        self.names = tuple(chosen)
        """In the order in which they are applied; equal for the same choice."""
        self.counts: dict[str, int] = dict.fromkeys(self.names, 0)
        """How many texts each has dropped."""
        self.characters: dict[str, int] = dict.fromkeys(self.names, 0)
        """How many characters those had."""
        self.examples: dict[str, str] = {}
        """The beginning of the first text that each has dropped."""

    def __bool__(self) -> bool:
        """Whether there is any filter."""
        return bool(self._filters)

    @property
    def sentences(self) -> Mapping[str, str]:
        """By name, what a filter drops, after "texts": "with a web address"."""
        return {one.name: one.sentence for one in self._filters}

    def dropped_by(self, text: str, characters: int | None = None) -> str | None:
        """The name of the first filter that drops this text, which is counted there; None for a text that is
        kept. It counts as so many `characters`; without them, as many as it has."""
        for one in self._filters:
            if one.drops(text):
                self.counts[one.name] += 1
                self.examples.setdefault(one.name, text[:EXAMPLE])
                self.characters[one.name] += len(text) if characters is None else characters
                return one.name
        for memory in self._memories:
            memory.remember(text)
        return None

    def mark(self) -> Mark:
        """What has been dropped and remembered up to now, for `back_to`."""
        sizes = tuple(memory.size() for memory in self._memories)
        return Mark(dict(self.counts), dict(self.characters), sizes)

    def back_to(self, mark: Mark) -> None:
        """Forget every text since `mark`, which these filters made."""
        self.counts, self.characters = dict(mark.counts), dict(mark.characters)
        self.examples = {name: text for name, text in self.examples.items() if self.counts[name]}
        for memory, size in zip(self._memories, mark.sizes, strict=True):
            memory.forget(size)


def parse_filters(text: str, *, of_lines: bool = False) -> Filters:
    """Filters from names and presets with commas between: "technical", "length:20-200,url".

    "" and "none" give no filters. `",".join(filters.names)` is read as the same filters. Raises UsageError
    with the nearest name.
    """
    names = [name for part in text.split(",") if (name := part.strip().lower()) not in ("", "none")]
    return Filters([one for name in names for one in PRESETS.get(name, (name,))], of_lines=of_lines)


def _split(name: str) -> tuple[str, str | None]:
    kind, colon, value = name.partition(":")
    if kind not in FILTERS:
        raise UsageError(
            f"There is no filter '{kind}'.", hint=did_you_mean(kind, (*PRESETS, *FILTERS)), field="filters"
        )
    if colon and not value:
        raise UsageError(
            f"The value of the filter '{kind}' is missing.", hint=f"Write {kind} alone.", field="filters"
        )
    return kind, value or None


def _order(part: tuple[str, str | None]) -> tuple[int, str]:
    kind, value = part
    return FILTERS.index(kind), value or ""
