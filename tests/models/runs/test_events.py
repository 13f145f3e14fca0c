"""Every event comes back from its line of JSON with the types it was written with."""

import json
import math
import typing
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.runs import events
from models.runs.event_json import from_json, to_json
from models.runs.event_words import describe
from models.runs.events import Event

KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
FIGURES = st.dictionaries(st.text(max_size=5), st.floats(), max_size=3)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**70), 2**70),
    float: st.floats(),
    str: st.text(max_size=20),
    bool: st.booleans(),
    float | None: st.none() | st.floats(),
    int | None: st.none() | st.integers(0, 10**6),
    str | None: st.none() | st.text(max_size=20),
    dict[str, float]: FIGURES,
    dict[str, str]: st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
    dict[str, float] | None: st.none() | FIGURES,
    dict[str, dict[str, float]] | None: st.none() | st.dictionaries(st.text(max_size=5), FIGURES, max_size=2),
}
OTHERS: dict[Any, list[Any]] = {
    int: [None, True, 1.0, "1", [1], {}],
    float: [True, "1.0", [1.0], {"a": 1.0}, 10**400],
    str: [None, 1, 1.0, True, ["a"], {}],
    bool: [None, 0, 1.0, "true", [], {}],
    float | None: [False, "1.0", [None], {}],
    int | None: ["1", 1.5, True, [1]],
    str | None: [1, 1.0, False, ["a"], {}],
    dict[str, float]: [None, 1.0, [["a", 1.0]], {"a": "1"}, {"a": True}, {"a": {"b": 1.0}}, {"a": [1.0]}],
    dict[str, str]: [None, "a", [["a", "b"]], {"a": 1}, {"a": None}, {"a": ["b"]}],
    dict[str, float] | None: [1.0, [["a", 1.0]], {"a": "1"}, {"a": True}, {"a": {"b": 1.0}}],
    dict[str, dict[str, float]] | None: [1.0, {"a": 1.0}, {"a": None}, {"a": {"b": "1"}}, {"a": [1.0]}],
}
"""By type: values of JSON that are not of it."""


def types_of(kind: type[Event]) -> dict[str, Any]:
    return {field.name: typing.get_type_hints(kind)[field.name] for field in fields(kind)}


def of_kind(kind: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(kind, **{name: VALUES[hint] for name, hint in types_of(kind).items()})


any_event = st.sampled_from(KINDS).flatmap(of_kind)


def as_read(value: Any, wanted: Any) -> Any:
    """What `value` comes back as: JSON has neither NaN nor infinities."""
    if isinstance(value, dict):
        inner = typing.get_args(_without_none(wanted))[1]
        return {key: as_read(one, inner) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if wanted is float else None
    return value


def _without_none(wanted: Any) -> Any:
    options = typing.get_args(wanted)
    return options[0] if type(None) in options else wanted


def marked(value: Any) -> Any:
    """`value` with a word for NaN, which equals nothing."""
    if isinstance(value, dict):
        return {key: marked(one) for key, one in value.items()}
    return "nan" if isinstance(value, float) and math.isnan(value) else value


@given(event=any_event)
def test_what_is_read_back_has_the_values_and_types_that_were_written(event: Event) -> None:
    found = from_json(to_json(event))
    assert type(found) is type(event)
    for name, hint in types_of(type(event)).items():
        value = getattr(found, name)
        assert marked(value) == as_read(getattr(event, name), hint), name
        options = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
        assert type(value) in {typing.get_origin(option) or option for option in options}


@given(event=any_event)
def test_what_is_read_back_can_be_told_in_words(event: Event) -> None:
    found = from_json(to_json(event))
    assert found is not None
    assert (describe(found) is None) == (describe(event) is None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_value_of_another_type_makes_the_line_foreign(kind: type[Event]) -> None:
    sound: dict[Any, Any] = {
        int: 3,
        float: 2,
        str: "a",
        bool: True,
        float | None: None,
        int | None: None,
        str | None: None,
    }
    hints = types_of(kind)
    line = json.loads(to_json(kind(**{name: sound.get(hint, {}) for name, hint in hints.items()})))
    read = from_json(json.dumps(line))
    assert type(read) is kind and type(read.time) is float
    for field in fields(kind):
        for other in OTHERS[hints[field.name]]:
            assert from_json(json.dumps({**line, field.name: other})) is None, (field.name, other)


def test_progress_is_passing_and_everything_else_is_lasting() -> None:
    assert {kind for kind in KINDS if not kind.lasting} == {
        events.PreparationAdvanced,
        events.EvaluationAdvanced,
        events.PlanDrafted,
    }


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (
            '{"event": "schedule_settled", "time": 1.0, "step": 0, "total_steps": 9, '
            '"seconds_per_step": 0.1}',
            events.SchedulePlanned,
        ),
        (
            '{"event": "corpus_begun", "time": 1.0, "corpus": "b", "known_corpora": 1, "replay_share": 0.3, '
            '"replay_reason": "r", "vocab_size": 9}',
            events.CorpusStarted,
        ),
        (
            '{"event": "preparation_advanced", "time": 1.0, "stage": "reading", "done": 1, "total": 2}',
            events.PreparationAdvanced,
        ),
    ],
)
def test_lines_of_earlier_logs_are_read_and_written_as_before(line: str, kind: type[Event]) -> None:
    event = from_json(line)
    assert type(event) is kind
    assert json.loads(line).items() <= json.loads(to_json(event)).items()
