"""Folders of runs that were killed before they were complete."""

from pathlib import Path

import pytest

from models.runs.incomplete import STAGING, clear_incomplete, is_incomplete
from models.runs.lock import LOCK_FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / LOCK_FILE).touch()
    return tmp_path


def test_an_expansion_is_incomplete_until_config_json_is_there(folder: Path) -> None:
    (folder / STAGING / "grown").mkdir(parents=True)
    (folder / "checkpoints" / "step_000004").mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert is_incomplete(folder)
    (folder / "config.json").touch()
    assert not is_incomplete(folder)


def test_clearing_keeps_only_the_lock(folder: Path) -> None:
    (folder / STAGING / "grown").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    clear_incomplete(folder)
    assert [entry.name for entry in folder.iterdir()] == [LOCK_FILE]


def test_weights_without_a_staging_folder_are_not_ours(folder: Path) -> None:
    (folder / "model.safetensors").touch()
    assert not is_incomplete(folder)
