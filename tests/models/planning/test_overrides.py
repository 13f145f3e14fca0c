"""Settings by their dotted path: parsed once, each as its field has it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from data.progress import result_of
from models.architectures import ARCHITECTURES, config_type
from models.config import TrainingConfig
from models.planning.plan import plan
from models.planning.request import Overrides, TrainRequest, parse_setting

DEFAULTS = {
    f"training.{field.name}": field.default
    for field in dataclasses.fields(TrainingConfig)
    if field.default is not None
}


@given(st.sampled_from(sorted(DEFAULTS)))
def test_text_becomes_what_its_field_holds(path: str) -> None:
    value = parse_setting(path, str(DEFAULTS[path]))
    assert value == DEFAULTS[path] and type(value) is type(DEFAULTS[path])
    assert parse_setting(path, value) == value


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_setting_of_any_architecture_is_known(architecture: str) -> None:
    for field in dataclasses.fields(config_type(architecture)):
        if isinstance(field.default, (bool, int, float, str)):
            assert parse_setting(f"model.{field.name}", str(field.default)) == field.default


@pytest.mark.parametrize(
    ("path", "value", "field", "hint"),
    [
        ("training.lerning_rate", "1", "training.lerning_rate", "training.learning_rate"),
        ("model.core_layer", "1", "model.core_layer", "model.core_layers"),
        ("training.batch_size", "2.5", "training.batch_size", None),
        ("training.learning_rate", "nan", "training.learning_rate", None),
        ("model.tied", "maybe", "model.tied", None),
        ("learning_rate", "1", None, "training.FIELD"),
        ("optimizer.rate", "1", None, "training.FIELD"),
    ],
)
def test_what_is_no_setting_or_no_value_is_refused(
    path: str, value: str, field: str | None, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        Overrides.parse({path: value})
    assert caught.value.field == field
    assert hint is None or hint in str(caught.value.hint)


def test_a_length_of_none_is_left_open() -> None:
    found = Overrides.parse(
        {"training.minutes": "none", "training.target_loss": "none", "model.d_model": "64"}
    )
    assert (found.length, found.training, found.model) == ({}, {"target_loss": None}, {"d_model": 64})


def request(**values: Any) -> TrainRequest:
    return TrainRequest(paths=("a.txt",), **values)


def test_what_is_ambient_gives_way_to_the_kind_of_run() -> None:
    shape = Overrides({"model.d_model": 64, "model.dropout": 0.1, "training.seed": 3})
    new = request(preset="hrm-4m", replay=0.2, overrides=shape, ambient=frozenset({"replay"}))
    assert new.without_unfit_preferences() == dataclasses.replace(new, replay=None)
    ambient = frozenset({"preset", "replay", *shape.values})
    goes_on = request(preset="hrm-4m", replay=0.2, continue_run="owl", overrides=shape, ambient=ambient)
    fitting = goes_on.without_unfit_preferences()
    assert (fitting.preset, fitting.replay) == (None, 0.2)
    assert fitting.overrides == Overrides({"model.dropout": 0.1, "training.seed": 3})
    typed = dataclasses.replace(goes_on, ambient=frozenset())
    assert typed.without_unfit_preferences() == typed


def test_what_is_ambient_and_for_text_gives_way_to_a_task(tmp_path: Path) -> None:
    typed = request(
        task="compose:s3", tokenizer="bpe", count=5, overrides=Overrides({"model.context_length": 64})
    )
    typed = dataclasses.replace(typed, paths=())
    with pytest.raises(UsageError):
        result_of(plan(typed, tmp_path))
    ambient = frozenset({"tokenizer", "count", "model.context_length"})
    found = result_of(plan(dataclasses.replace(typed, ambient=ambient), tmp_path))
    assert dict(found.rows())["run"] == "compose-s3"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, False),
        ({"overrides": Overrides({"model.d_model": 64, "training.steps": 5})}, False),
        ({"tokenizer": "bpe"}, False),
        ({"name": "owl"}, True),
        ({"preset": "hrm-4m"}, True),
        ({"preset": "hrm-4m", "ambient": frozenset({"preset"})}, False),
        ({"continue_run": "owl"}, True),
        ({"task": "sudoku:4x4", "ambient": frozenset({"task"})}, True),
    ],
)
def test_a_name_or_a_preset_tells_which_model_is_meant(values: dict[str, Any], named: bool) -> None:
    assert request(**values).names_model is named
