"""JSON of a run's files into dataclasses, each value checked against the type of its field.

The types a field may have: str, int, float, bool, `X | None`, `tuple[X, ...]`, `list[X]`,
`Mapping[str, X]`, another dataclass, and `object` for any JSON. `Annotated[X, Limits(...)]` bounds a
number, or the length of a text; `Annotated[str, OneOf(...)]` lists the texts that are allowed.
"""

import dataclasses
import math
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

JsonObject = dict[str, Any]
"""An object of JSON: what is written to a file, or printed by `--json`."""
Record = TypeVar("Record")

MAX_NESTING = 32
"""Levels of lists and objects in a value of any JSON."""
MAX_ITEMS = 1 << 20
"""Entries of a list or an object."""
FOREIGN = "foreign"
"""The field that keeps the keys a dataclass does not know, so that they are written back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The smallest and the largest number, or number of characters. `any_float` allows inf and nan."""

    minimum: float = -math.inf
    maximum: float = math.inf
    any_float: bool = False

    def allow(self, number: float) -> bool:
        return (self.any_float or math.isfinite(number)) and not (
            number < self.minimum or number > self.maximum
        )


@dataclass(frozen=True, slots=True)
class OneOf:
    """The texts that a field may have."""

    choices: tuple[str, ...]


Count = Annotated[int, Limits(0, 2**48)]
Size = Annotated[int, Limits(1, 2**48)]
Text = Annotated[str, Limits(1, 2**20)]
SMALLEST = sys.float_info.min
"""The smallest positive number: smaller ones compare as 0 once training flushes denormals."""
Positive = Annotated[float, Limits(SMALLEST, 1e300)]
Finite = Annotated[float, Limits(-1e300, 1e300)]
AnyFloat = Annotated[float, Limits(any_float=True)]


class MismatchError(ValueError):
    """A value is not what rlm writes; the message is the end of a sentence about its file."""


def read_record(record_type: type[Record], value: object, name: str = "") -> Record:
    """An instance of the dataclass `record_type` from the JSON object `value`.

    `name` is the section that the object is of. Raises MismatchError for a missing key and for a value
    of another type or out of its bounds. Keys without a field go into `foreign`, if there is such a field.
    """
    if not isinstance(value, dict):
        of_section = f"'{name}' is not an object with names"
        raise MismatchError(of_section if name else "it is not an object with names")
    hints, fields = _fields_of(record_type)  # type: ignore[arg-type]
    known = {key: inner for key, inner in value.items() if key in fields and key != FOREIGN}
    for key, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and key not in known:
            raise MismatchError(f"'{name}' has no '{key}'" if name else f"it has no '{key}'")
    read = {key: _read(hints[key], inner, key, name) for key, inner in known.items()}
    foreign = {key: inner for key, inner in value.items() if key not in known}
    if foreign and FOREIGN in fields:
        _require_json(foreign, min(foreign), name)
        read[FOREIGN] = foreign
    return record_type(**read)


def to_json(record: Any) -> dict[str, Any]:
    """The JSON object of a dataclass; fields that are None are left out unless they have no default."""
    written: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name == FOREIGN:
            written |= value
        elif value is not None or field.default is dataclasses.MISSING:
            written[field.name] = _plain(value)
    return written


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def _read(hint: Any, value: object, key: str, name: str) -> Any:
    """`value` as `hint` has it. Raises MismatchError that names `key` of section `name`."""
    problem = MismatchError(
        f"'{name}' has a '{key}' that is not what rlm writes" if name else f"'{key}' is not what rlm writes"
    )
    bounds: object = Limits()
    if typing.get_origin(hint) is Annotated:
        hint, bounds = typing.get_args(hint)[:2]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        rest = next(one for one in arguments if one is not type(None))
        return _read(rest, value, key, name)
    if dataclasses.is_dataclass(hint):
        return read_record(typing.cast(type[Any], hint), value, name=key)
    if origin in (tuple, list):
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise problem
        return origin(_read(arguments[0], one, key, name) for one in value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            raise problem
        return {inner_key: _read(arguments[1], inner, key, name) for inner_key, inner in value.items()}
    if hint is object:
        _require_json(value, key, name)
        return value
    if not _is_of(hint, value, bounds):
        raise problem
    return float(value) if hint is float else value  # type: ignore[arg-type]


def _is_of(hint: Any, value: object, bounds: object) -> bool:
    if hint is bool:
        return isinstance(value, bool)
    if isinstance(bounds, OneOf):
        return isinstance(value, str) and value in bounds.choices
    assert isinstance(bounds, Limits), bounds
    if hint is str:
        return isinstance(value, str) and bounds.minimum <= len(value) <= bounds.maximum
    if type(value) is int and hint in (int, float):
        # Compared before any conversion: a number of 400 digits is no float.
        return abs(value) < 2**1000 and bounds.allow(value)
    return type(value) is float and hint is float and bounds.allow(value)


def _require_json(value: object, key: str, name: str, depth: int = 0) -> None:
    if depth > MAX_NESTING:
        raise MismatchError(f"'{key}' is nested too deep")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _require_json(one, key, name, depth + 1)


@cache
def _fields_of(record_type: type[Any]) -> tuple[dict[str, Any], dict[str, dataclasses.Field[Any]]]:
    fields = {field.name: field for field in dataclasses.fields(record_type)}
    return typing.get_type_hints(record_type, include_extras=True), fields
