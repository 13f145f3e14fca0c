"""Each value of a run's files is checked where it is read, and written back as it was."""

import copy
import json
import math
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.runs.datasets import Dataset, Growth
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.run_config import (
    Calibration,
    DataSection,
    Extension,
    ModelSection,
    ReplaySection,
    RunConfig,
)
from models.runs.run_state import Counters, RunState, Schedule
from models.runs.typed_json import (
    MAX_NESTING,
    Limits,
    MismatchError,
    OneOf,
    read_record,
    to_json,
)
from tests.models.runs.example_config import (
    COMPLETE_CONFIG,
    COMPLETE_DATASET,
    COMPLETE_EVALUATION,
    COMPLETE_PUZZLE_EVALUATION,
    COMPLETE_STATE,
)

RECORDS: tuple[type[Any], ...] = (
    ModelSection, DataSection, Calibration, ReplaySection, Extension, RunConfig, Counters, Schedule, RunState,
    Evaluation, PuzzleEvaluation, Growth, Dataset,
)  # fmt: skip
COMPLETE: tuple[Any, ...] = (
    COMPLETE_CONFIG,
    COMPLETE_STATE,
    COMPLETE_EVALUATION,
    COMPLETE_PUZZLE_EVALUATION,
    COMPLETE_DATASET,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this type may have."""
    bounds: Any = Limits()
    if typing.get_origin(hint) is Annotated:
        hint, bounds = typing.get_args(hint)[:2]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(bounds, OneOf):
        return st.sampled_from(bounds.choices)
    if origin in (types.UnionType, typing.Union):
        return st.none() | values_of(arguments[0])
    if is_dataclass(hint):
        return records(typing.cast(type[Any], hint))
    if origin in (tuple, list):
        return st.lists(values_of(arguments[0]), max_size=3).map(origin)
    if origin is not None:
        return st.dictionaries(st.text(max_size=3), values_of(arguments[1]), max_size=3)
    if hint is object:
        return json_values
    if hint is bool:
        return st.booleans()
    if hint is str:
        return st.text(min_size=max(0, int(max(0, bounds.minimum))), max_size=4)
    least, most = max(bounds.minimum, -1e300), min(bounds.maximum, 1e300)
    if hint is int:
        return st.integers(math.ceil(least), math.floor(most))
    return st.floats() if bounds.any_float else st.floats(least, most)


def records(record_type: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(record_type, include_extras=True)
    names = set(hints)
    values = {name: values_of(hint) for name, hint in hints.items() if name != "foreign"}
    if "foreign" in names:
        keys = st.text(max_size=5).filter(lambda key: key not in names)
        values["foreign"] = st.dictionaries(keys, json_values, max_size=2)
    return st.builds(record_type, **values)


@pytest.mark.parametrize("record_type", RECORDS)
@settings(max_examples=15)
@given(data=st.data())
def test_what_is_written_is_read_back(record_type: type[Any], data: st.DataObject) -> None:
    record = data.draw(records(record_type))
    text = json.dumps(to_json(record))
    read = read_record(record_type, json.loads(text))
    assert json.dumps(to_json(read)) == text
    assert repr(read) == repr(record)  # repr: nan is not equal to itself


@pytest.mark.parametrize("record", COMPLETE, ids=lambda record: type(record).__name__)
@given(value=json_values, data=st.data())
def test_any_value_in_any_place_is_read_or_refused(record: Any, value: Any, data: st.DataObject) -> None:
    content = to_json(record)
    place = data.draw(st.sampled_from(list(places_in(content))))
    try:
        read = read_record(type(record), replaced(content, place, value))
    except MismatchError as error:
        assert re.match(r"(it|of|'[^']*') ?", str(error))
    else:
        read_record(type(record), to_json(read))


WRONG_VALUES = (
    True,
    "",
    [],
    {},
    None,
    1e308,
    -7,
    10**400,
    math.nan,
    math.inf,
    [[]],
    {"a": []},
    "x" * 3_000_000,
)


@pytest.mark.parametrize("record", COMPLETE, ids=lambda record: type(record).__name__)
def test_every_number_is_refused_as_a_list_and_every_list_as_a_number(record: Any) -> None:
    content = to_json(record)
    for place in places_in(content):
        if any(key in ("training", "later", "lineage", "config", "datasets") for key in place):
            continue  # any JSON may stand there
        before = value_at(content, place)
        wrong = 7 if isinstance(before, (list, dict)) else [7]
        if place[:1] == ("model",) and len(place) == 2 and place[1] != "architecture":
            continue  # dials are checked where the model is laid out
        with pytest.raises(MismatchError):
            read_record(type(record), replaced(content, place, wrong))


@pytest.mark.parametrize("record", COMPLETE, ids=lambda record: type(record).__name__)
@pytest.mark.parametrize("wrong", WRONG_VALUES, ids=lambda value: repr(value)[:12])
def test_a_value_that_is_read_can_be_written_again(record: Any, wrong: Any) -> None:
    content = to_json(record)
    for place in places_in(content):
        try:
            read = read_record(type(record), replaced(content, place, wrong))
        except MismatchError as error:
            assert len(str(error)) < 200
        else:
            assert read_record(type(record), to_json(read)) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    whole: Annotated[int, Limits(1, 9)] = 1
    real: Annotated[float, Limits(0, 1)] = 0.5
    flag: bool = False
    choice: Annotated[str, OneOf(("a", "b"))] = "a"
    text: Annotated[str, Limits(1, 3)] | None = None
    many: tuple[float, ...] = ()
    foreign: dict[str, object] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("whole", [1, 9], [0, 10, 1.0, True, "1", None, 10**400]),
        ("real", [0, 1, 0.25], [-0.1, 1.1, True, "0", None, math.nan, math.inf, 10**400]),
        ("flag", [True, False], [0, 1, "true", None]),
        ("choice", ["a", "b"], ["c", "", 1, None, ["a"]]),
        ("text", [None, "a", "abc"], ["", "abcd", 1, ["a"]]),
        ("many", [[], [1, 2.5]], [None, 1, "ab", [None], [True], [math.nan], {"a": 1}]),
    ],
)
def test_types_and_bounds(key: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        read = getattr(read_record(Example, {key: value}), key)
        assert read == (tuple(value) if isinstance(value, list) else value)
    for value in bad:
        with pytest.raises(MismatchError, match=f"'{key}' is not what rlm writes"):
            read_record(Example, {key: value})


def test_a_section_is_named_in_the_message() -> None:
    content = to_json(COMPLETE_CONFIG)
    for wrong, message in (
        ({**content, "data": 3}, "'data' is not an object with names"),
        (
            {**content, "data": {**content["data"], "kind": 3}},
            "'data' has a 'kind' that is not what rlm writes",
        ),
        ({**content, "data": {"kind": "text"}}, "'data' has no 'paths'"),
    ):
        with pytest.raises(MismatchError, match=re.escape(message)):
            read_record(RunConfig, wrong)


def test_nesting_is_bounded_and_nothing_recurses_without_end() -> None:
    content = to_json(COMPLETE_CONFIG)
    for key in ("training", "later", "lineage", "model", "calibration"):
        deep: Any = []
        for _ in range(500):
            deep = [deep]
        value = [{"a": deep}] if key == "lineage" else {"architecture": "looped", "a": deep}
        with pytest.raises(MismatchError):
            read_record(RunConfig, {**content, key: value})
    shallow: Any = 1
    for _ in range(MAX_NESTING - 2):
        shallow = {"a": shallow}
    assert read_record(RunConfig, {**content, "training": shallow}).training == shallow


def places_in(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in some JSON."""
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for key, inner in entries:
        yield (*place, key)
        if isinstance(inner, (dict, list)):
            yield from places_in(inner, (*place, key))


def value_at(content: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        content = content[key]
    return content


def replaced(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(content)
    value_at(changed, place[:-1])[place[-1]] = value
    return changed


def test_every_record_keeps_keys_of_later_versions() -> None:
    for record_type in RECORDS:
        assert "foreign" in {one.name for one in fields(record_type)}, record_type


def test_zero_is_not_positive_while_denormals_are_flushed() -> None:
    torch.set_flush_denormal(True)
    with pytest.raises(MismatchError, match="gradient_scale"):
        RunState.from_json({**to_json(RunState.initial()), "gradient_scale": 0})
