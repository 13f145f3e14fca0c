"""Configurations from what was typed: every digit kept, and nothing a machine cannot mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from models.config import TrainingConfig
from models.settings import RENAMED, from_dict, unknown_setting


def training(**values: Any) -> TrainingConfig:
    return from_dict(TrainingConfig, values, "training")


@given(number=st.integers(1, 10**9))
def test_whole_numbers_are_read_digit_by_digit(number: int) -> None:
    assert training(steps=number).steps == training(steps=str(number)).steps == number


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": "1e30"},
        {"batch_size": 2**21},
        {"batch_size": "2.0"},
        {"batch_size": 2.5},
        {"batch_size": True},
        {"micro_batch": "0"},
        {"micro_batch": "9" * 5000},
        {"seed": 2**32},
        {"seed": str(2**53 + 1)},
        {"seed": "-1"},
        {"beta1": "1"},
        {"beta2": "-0.1"},
        {"evaluation_tokens": "0"},
        {"max_epochs": "0"},
        {"minutes": "1e308"},
        {"minutes": 1e308},
        {"epochs": "1e30"},
        {"steps": 10**30},
        {"threads": 10**6},
        {"learning_rate": "1e300"},
        {"target_loss": "-1"},
        {"target_loss": -0.5},
    ],
    ids=lambda values: str(values)[:40],
)
def test_what_is_out_of_bounds_is_a_short_sentence(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        training(**values)
    assert f"training.{next(iter(values))} is" in caught.value.message
    assert len(caught.value.message) < 200


def test_the_largest_seed_is_kept() -> None:
    assert training(seed=str(2**32 - 1)).seed == 2**32 - 1


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_hint_about_a_setting_of_an_earlier_version_gives_its_present_name(old: str, new: str) -> None:
    section, _, name = old.partition(".")
    assert unknown_setting(section, name, ()).hint == f"It is now called {new}."
