"""An old name of a setting is unknown, and the hint gives the name of today."""

import pytest

from data.errors import UsageError
from models.config import TrainingConfig
from models.settings import RENAMED, RENAMED_VALUES, from_dict

OLD_TRAINING_SETTINGS = [path.removeprefix("training.") for path in RENAMED if path.startswith("training.")]


@pytest.mark.parametrize("name", OLD_TRAINING_SETTINGS)
def test_the_hint_gives_the_name_of_today(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no setting training.{name}.") as caught:
        from_dict(TrainingConfig, {name: 1}, "training")
    new = RENAMED[f"training.{name}"]
    assert caught.value.hint == f"It is now called {new}."
    assert hasattr(TrainingConfig(), new.removeprefix("training."))


@pytest.mark.parametrize("path", RENAMED_VALUES)
def test_the_hint_gives_the_value_of_today(path: str) -> None:
    section, name = path.split(".")
    for old, new in RENAMED_VALUES[path].items():
        with pytest.raises(UsageError) as caught:
            from_dict(TrainingConfig, {name: old}, section)
        assert caught.value.hint == f"'{old}' is now called '{new}'."
