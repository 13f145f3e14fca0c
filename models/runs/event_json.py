"""Events as lines of JSON, and back."""

import dataclasses
import json
import math
import re
import types
import typing
from typing import Any

from models.runs import events
from models.runs.events import Event


def to_json(event: Event) -> str:
    """One line of ASCII JSON: the `event` name first, then the fields.

    A number JSON cannot hold (NaN, infinity) becomes null, and `from_json` reads it as NaN.
    """
    fields = {"event": wire_name(type(event)), **dataclasses.asdict(event)}
    return json.dumps({key: _finite(value) for key, value in fields.items()}, allow_nan=False)


def from_json(line: str) -> Event | None:
    """The event a line holds, or None where the line is torn, foreign or of a later version.

    Every field has the type it is declared with: null is NaN in a field of floats, and None only in one
    that may be None; a value of another type makes the line foreign. Unknown keys are ignored, so an
    older reader follows a newer log.
    """
    try:
        fields = json.loads(line)
        event_type = _TYPES[fields["event"]]
        known = _FIELDS[event_type]
        values = {
            key: value if type(value) is known[key] else _typed(value, known[key])
            for key, value in fields.items()
            if key in known
        }
        return event_type(**values)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return value


def _typed(value: Any, wanted: Any) -> Any:
    """`value`, out of JSON, as the type `wanted`. Raises TypeError, OverflowError where it has another."""
    if isinstance(wanted, types.UnionType):  # X | None
        if value is None:
            return None
        (wanted,) = (option for option in typing.get_args(wanted) if option is not types.NoneType)
    if typing.get_origin(wanted) is dict and type(value) is dict:
        inner = typing.get_args(wanted)[1]
        return {key: _typed(one, inner) for key, one in value.items()}
    if wanted is float and value is None:
        return math.nan
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise TypeError(f"{type(value)} is not {wanted}")
    return value


def wire_name(event_type: type[Event]) -> str:
    """How a line of JSON names the event: "run_started" for RunStarted."""
    return _WIRE_NAMES.get(event_type) or re.sub(r"(?<!^)(?=[A-Z])", "_", event_type.__name__).lower()


# Two classes have a plainer name than their lines. The lines keep theirs, for the logs and scripts there are.
_WIRE_NAMES: dict[type[Event], str] = {
    events.CorpusStarted: "corpus_begun",
    events.SchedulePlanned: "schedule_settled",
}
_TYPES: dict[str, type[Event]] = {
    wire_name(value): value
    for value in list(vars(events).values())
    if isinstance(value, type) and issubclass(value, Event) and value is not Event
}
_FIELDS = {kind: {field.name: field.type for field in dataclasses.fields(kind)} for kind in _TYPES.values()}
