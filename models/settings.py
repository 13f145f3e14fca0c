"""From plain values to the fields of a configuration: each value checked against its field's type.

A setting is called by its path, `section.field`, as in `training.minutes`.
"""

import dataclasses
import math
import operator
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from data.errors import UsageError
from data.nearest import nearest

RENAMED = {
    "training.late_recursion": "training.shallow_fraction",
    "training.deepest_share": "training.full_depth_prob",
    "training.most_epochs": "training.max_epochs",
    "model.lookback": "model.ngram",
    "model.compute_penalty": "model.ponder_cost",
    "model.heads_see": "model.attention_scope",
}
"""Settings of earlier versions by their path, and what they are called now."""

RENAMED_VALUES = {"training.schedule": {"linear": "wsd"}}
"""Values of earlier versions by the path of their setting, and what they are called now."""


def renamed_fields(section: str) -> dict[str, str]:
    """The fields of a section that had another name in earlier versions, old to new."""
    pairs = (old.split(".") + new.split(".") for old, new in RENAMED.items())
    return {old: new for of, old, _, new in pairs if of == section}


Config = TypeVar("Config")
Settings = dict[str, Any]
"""Values of one section by the name of their field."""


def from_dict(config_type: type[Config], values: Mapping[str, Any], section: str) -> Config:
    """A configuration from plain values, each checked against its field's type.

    Raises UsageError with the path of the field (`section.field`) and the nearest name there is.
    """
    hints = typing.get_type_hints(config_type)
    fields = {f.name for f in dataclasses.fields(config_type)}  # type: ignore[arg-type]
    kept = {}
    for name, value in values.items():
        if name not in fields:
            raise unknown_setting(section, name, fields)
        kept[name] = parse_value(value, hints[name], f"{section}.{name}")
    try:
        return config_type(**kept)
    except TypeError as error:
        raise UsageError(f"The {section} configuration is incomplete: {error}.") from None


def unknown_setting(section: str, name: str, known: Collection[str]) -> UsageError:
    """The error about a setting there is not: the hint has its new name, or the nearest of the `known`."""
    path = f"{section}.{name}"
    if path in RENAMED:
        return UsageError(
            f"There is no setting {path}.", hint=f"It is now called {RENAMED[path]}.", field=path
        )
    near = nearest(name, known)
    hint = f"Did you mean {section}.{near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
    return UsageError(f"There is no setting {path}.", hint=hint, field=path)


def parse_value(value: Any, hint: Any, path: str) -> Any:
    """`value`, which may be text, as the type `hint` of the field at `path` has it. Raises UsageError."""
    if isinstance(hint, types.UnionType):
        if value is None or value == "none":
            return None
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
    try:
        if hint is bool:
            return {"true": True, "yes": True, "false": False, "no": False}[str(value).lower()]
        if isinstance(value, bool):
            raise ValueError
        converted = _whole(value) if hint is int else hint(value)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise _not_of_type(value, hint, path) from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise _not_of_type(value, hint, path)
    if isinstance(converted, int) and abs(converted) >= 2**63:
        raise UsageError(f"{path} is {_shown(converted)}; it must be below 2^63.", field=path)
    return converted


def _not_of_type(value: Any, hint: Any, path: str) -> UsageError:
    return UsageError(f"{path} is {_shown(value)}, which is not {_NAMES[hint]}.", field=path)


def _whole(value: Any) -> int:
    """`value` as the whole number it is, every digit kept. Raises ValueError, TypeError."""
    return int(value) if isinstance(value, str) else operator.index(value)


def _shown(value: Any) -> str:
    """`value` in a message, which it must not fill."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def require(condition: bool, path: str, value: object, wanted: str) -> None:
    """Raise UsageError unless `condition` holds for the field at `path`."""
    if not condition:
        now = RENAMED_VALUES.get(path, {}).get(str(value))
        hint = None if now is None else f"'{value}' is now called '{now}'."
        raise UsageError(f"{path} is {value}; it must be {wanted}.", hint=hint, field=path)
