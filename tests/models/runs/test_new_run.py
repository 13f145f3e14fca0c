"""The folder of a new run: filled under its lock, and removed where that fails."""

import os
from pathlib import Path
from typing import Any

import pytest

from data.errors import StorageError, UsageError
from models.errors import RunBusyError
from models.runs import new_run as new_run_module
from models.runs.incomplete import STAGING
from models.runs.lock import LOCK_FILE, PID_FILE
from models.runs.new_run import new_run
from models.runs.run import Run
from tests.models.runs.example_config import CREATED


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_an_error_inside_removes_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_run("owl", tmp_path) as run:
        (run.path / "checkpoints").mkdir()
        raise ZeroDivisionError
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [(), (LOCK_FILE, PID_FILE)])
def test_a_folder_that_another_process_makes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: tuple[str, ...]
) -> None:
    """The name is free as soon as the failed run is removed, before its lock is released."""
    original = new_run_module.remove_entry

    def remove_and_remake(path: Path) -> None:
        original(path)
        (tmp_path / "owl").mkdir()
        for name in content:
            (tmp_path / "owl" / name).write_text("1\n")

    monkeypatch.setattr(new_run_module, "remove_entry", remove_and_remake)
    with pytest.raises(ZeroDivisionError), new_run("owl", tmp_path):
        raise ZeroDivisionError
    assert names(tmp_path) == ["owl"]
    assert names(tmp_path / "owl") == sorted(content)


@pytest.mark.usefixtures("impatient")
def test_the_folder_of_another_process_stays(tmp_path: Path) -> None:
    other = Run.create("owl", tmp_path)
    with other.lock(), pytest.raises(RunBusyError), new_run("owl", tmp_path):
        pass
    assert names(tmp_path / "owl") == [LOCK_FILE]


def test_an_empty_folder_is_used_and_stays_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "owl").mkdir()  # by somebody else
    with pytest.raises(ZeroDivisionError), new_run("owl", tmp_path) as run:
        (run.path / "checkpoints").mkdir()
        raise ZeroDivisionError
    assert names(tmp_path) == ["owl"]
    assert names(tmp_path / "owl") == [LOCK_FILE]
    with new_run("owl", tmp_path) as run:
        assert run.name == "owl"


def test_a_folder_that_cannot_be_locked_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Run) -> None:
        raise StorageError("The disk is full.")

    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / LOCK_FILE).touch()  # incomplete, from an earlier process
    monkeypatch.setattr(Run, "lock", fail)
    for name in ("owl", "fox"):
        with pytest.raises(StorageError), new_run(name, tmp_path):
            pass
    assert names(tmp_path) == ["fox"]


def test_a_suggested_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    with new_run("owl", tmp_path) as run:
        run.save_config(CREATED)
    with new_run("owl", tmp_path, suggested_from="owl") as run:
        assert run.name == "owl-2"
    with pytest.raises(UsageError, match="already a run 'owl'"), new_run("owl", tmp_path):
        pass


def test_an_expansion_that_was_killed_long_ago_is_made_again(tmp_path: Path) -> None:
    """Its staging folder shows that it is incomplete, although it is old enough to be cleared."""
    staging = tmp_path / "owl" / STAGING
    staging.mkdir(parents=True)
    (tmp_path / "owl" / LOCK_FILE).touch()
    (tmp_path / "owl" / "checkpoints").mkdir()
    os.utime(staging, (0, 0))
    with new_run("owl", tmp_path) as run:
        assert names(run.path) == [LOCK_FILE, PID_FILE]
        run.save_config(CREATED)
    assert Run.open("owl", tmp_path).config() == CREATED


def test_a_folder_that_another_process_makes_at_the_same_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It made the folder just before this one would have, and has no lock in it yet."""
    make = Path.mkdir

    def made_by_another(path: Path, *arguments: Any, **more: Any) -> None:
        if path.name == "owl" and not path.exists():
            make(path)
        make(path, *arguments, **more)

    def fail(run: Run) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(Path, "mkdir", made_by_another)
    monkeypatch.setattr(Run, "lock", fail)
    with pytest.raises(StorageError), new_run("owl", tmp_path):
        pass
    assert names(tmp_path) == ["owl"]
