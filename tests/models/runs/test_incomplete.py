"""Folders that a kill left before they were runs."""

from pathlib import Path

import pytest

from models.runs.lock import LOCK_FILE
from models.runs.incomplete import NURSERY, clear_unborn, is_unborn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / LOCK_FILE).touch()
    return tmp_path


def test_half_an_expansion_is_unborn_until_its_configuration_is_there(folder: Path) -> None:
    (folder / NURSERY / "grown").mkdir(parents=True)
    (folder / "checkpoints" / "step_000004").mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert is_unborn(folder)
    (folder / "config.json").touch()
    assert not is_unborn(folder)


def test_it_is_cleared_but_for_its_lock(folder: Path) -> None:
    (folder / NURSERY / "grown").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    clear_unborn(folder)
    assert [entry.name for entry in folder.iterdir()] == [LOCK_FILE]


def test_weights_without_a_nursery_are_somebodys_own(folder: Path) -> None:
    (folder / "model.safetensors").touch()
    assert not is_unborn(folder)
