"""What a mix is: its sources and the weight of each, as they were asked for."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from data.errors import UsageError
from data.filters import parse_filters
from data.mixes.columns import parse_template
from data.nearest import did_you_mean
from data.safe_text import safe_text

PARTS = 10_000
"""Shares are kept to four decimals."""
MAX_SOURCES = 256
_LONGEST_NAME = 64
_KINDS = {str: "a text", float: "a number", bool: "true or false", int: "a whole number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSource:
    """One source, by `path` or by `dataset`."""

    name: str
    weight: float
    path: str | None = None
    """A file or folder: text, records or tables, or a data set that was saved to disk."""
    dataset: str | None = None
    """A data set of the Hugging Face hub, or a folder in the form of one."""
    config: str | None = None
    split: str | None = None
    streaming: bool = True
    """Whether a data set is read as it arrives, and not downloaded first."""
    columns: tuple[str, ...] = ()
    """Their texts are joined by a blank line."""
    template: str | None = None
    """A document, with the names of columns in braces."""
    filter: tuple[str, ...] = ()
    documents: int | None = None
    """The most that are taken."""
    held_out: int | None = None
    """Documents at the beginning that are measured on. None for the usual number."""

    @property
    def place(self) -> str:
        """Where it comes from, in words."""
        if self.path is not None:
            return self.path
        return " ".join(part for part in (self.dataset, self.config, self.split) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSpec:
    """Sources whose weights add to more than 0. Made by `mix_of`."""

    name: str
    sources: tuple[MixSource, ...]

    @property
    def parts(self) -> tuple[int, ...]:
        """Of PARTS tokens, those of each source."""
        return parts_of([source.weight for source in self.sources])


def parts_of(weights: Sequence[float]) -> tuple[int, ...]:
    """Whole parts in proportion to `weights`, which add to PARTS; what rounding leaves goes to the largest
    remainders."""
    exact = [Fraction(weight) for weight in weights]
    total = sum(exact)
    wanted = [PARTS * one / total for one in exact]
    parts = [int(one) for one in wanted]
    by_remainder = sorted(range(len(parts)), key=lambda number: (parts[number] - wanted[number], number))
    for number in by_remainder[: PARTS - sum(parts)]:
        parts[number] += 1
    return tuple(parts)


def mix_of(name: str, sources: Sequence[MixSource]) -> MixSpec:
    """A mix of these sources. Raises UsageError for weights that make none, and for equal names."""
    if not sources:
        raise UsageError(f"The mix '{name}' has no source.", hint="Give it at least one [[source]].")
    if len(sources) > MAX_SOURCES:
        raise UsageError(f"The mix '{name}' has {len(sources)} sources; {MAX_SOURCES} are the most.")
    for source in sources:
        if not (math.isfinite(source.weight) and source.weight >= 0):
            raise UsageError(
                f"The weight of source '{source.name}' is {source.weight:g}.",
                hint="A weight is a number above 0, such as 0.4 or 40.",
            )
    if not any(source.weight for source in sources):
        raise UsageError("All weights of the mix are 0.", hint="Give at least one source a weight above 0.")
    taken: set[str] = set()
    for source in sources:
        if source.name in taken:
            raise UsageError(
                f"Two sources of the mix are called '{source.name}'.", hint="Give one of them another name."
            )
        taken.add(source.name)
    spec = MixSpec(name=name, sources=tuple(source for source in sources if source.weight))
    for source, parts in zip(spec.sources, spec.parts, strict=True):
        if not parts:
            raise UsageError(
                f"Source '{source.name}' has less than one in {PARTS:,} tokens of the mix.",
                hint="Give it a larger weight, or leave it out.",
            )
    return spec


def source_from(entry: Mapping[str, Any], number: int) -> MixSource:
    """The source that a table of a mix file describes; `number` counts from 1. Raises UsageError."""
    label = f"source {number}"
    known = {one.name for one in fields(MixSource)}
    for key in entry:
        if key not in known:
            raise UsageError(
                f"The mix has an unknown key '{safe_text(key)}' in {label}.",
                hint=did_you_mean(key, sorted(known), "There are"),
            )
    name = _value(entry, "name", str, label)
    label = f"source '{name}'" if name else label
    texts = {
        key: _value(entry, key, str, label) for key in ("path", "dataset", "config", "split", "template")
    }
    if (texts["path"] is None) == (texts["dataset"] is None):
        both = "both a path and a dataset" if texts["path"] is not None else "neither a path nor a dataset"
        raise UsageError(f"The mix has {both} in {label}.", hint="Give it one of the two.")
    if texts["path"] is not None and texts["config"] is not None:
        raise UsageError(f"The mix gives a 'config' to a path in {label}.", hint="It is for a dataset.")
    columns = _names(entry, "columns", label)
    if columns and texts["template"] is not None:
        raise UsageError(f"The mix has columns and a template in {label}.", hint="Give one of the two.")
    if texts["template"] is not None:
        parse_template(texts["template"], label)
    if "weight" not in entry:
        raise UsageError(f"The mix has no 'weight' in {label}.", hint="Give it one, such as 0.4 or 40.")
    weight, streaming = _value(entry, "weight", float, label), _value(entry, "streaming", bool, label)
    return MixSource(
        name=name or default_name(texts["path"] or texts["dataset"] or ""),
        weight=float(weight or 0.0),
        streaming=streaming is not False,
        columns=columns,
        filter=parse_filters(",".join(_names(entry, "filter", label))).names,
        documents=_count(entry, "documents", label),
        held_out=_count(entry, "held_out", label),
        **texts,
    )


def default_name(place: str) -> str:
    """What a source is called that was given no name: the end of its path without the ending."""
    last = place.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return (last.partition(".")[0] or last or "source")[:_LONGEST_NAME]


def _value(entry: Mapping[str, Any], key: str, kind: type, label: str) -> Any:
    value = entry.get(key)
    if value is None:
        return None
    fits = type(value) in (int, float) if kind is float else type(value) is kind
    if not fits or value == "":
        raise UsageError(f"The mix has a '{key}' that is not {_KINDS[kind]} in {label}.")
    if kind is float and abs(value) > sys.float_info.max:  # a whole number can be larger than any float
        raise UsageError(f"The mix has a '{key}' that is too large a number in {label}.")
    return value


def _names(entry: Mapping[str, Any], key: str, label: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
        raise UsageError(f"The mix has '{key}' that is not a list of names in {label}.")
    return tuple(names)


def _count(entry: Mapping[str, Any], key: str, label: str) -> int | None:
    value = _value(entry, key, int, label)
    if value is not None and value < 1:
        raise UsageError(f"The mix has {value} as '{key}' in {label}.", hint="It is 1 or more.")
    return None if value is None else int(value)
