"""An old name of a setting is unknown, and the hint gives the name of today."""

import pytest

from data.errors import UsageError
from models.config import TrainingConfig
from models.runs.migrations import TRAINING_FIELDS
from models.settings import RENAMED, from_dict

OLD_TRAINING_SETTINGS = [path.removeprefix("training.") for path in RENAMED if path.startswith("training.")]


@pytest.mark.parametrize("name", OLD_TRAINING_SETTINGS)
def test_the_hint_gives_the_name_of_today(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no setting training.{name}.") as caught:
        from_dict(TrainingConfig, {name: 1}, "training")
    new = RENAMED[f"training.{name}"]
    assert caught.value.hint == f"It is now called {new}."
    assert hasattr(TrainingConfig(), new.removeprefix("training."))


def test_every_setting_that_a_migration_renames_has_such_a_hint() -> None:
    for old, new in TRAINING_FIELDS.items():
        assert RENAMED[f"training.{old}"] == f"training.{new}"
