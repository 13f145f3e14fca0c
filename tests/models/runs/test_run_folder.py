"""Copying, renaming and removing whole runs."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from data.errors import RlmError, StorageError, UsageError
from models.errors import RunBusyError, RunError
from models.runs import run_folder
from models.runs.listing import list_runs
from models.runs.lock import LOCK_FILE, PID_FILE
from models.runs.run import Run
from models.runs.run_folder import (
    copy_run,
    find_folder,
    finish_removals,
    remove_run,
    rename_run,
    size_of_tree,
)
from tests.models.runs.example_config import CREATED


@pytest.fixture
def owl(tmp_path: Path) -> Run:
    """A run with a file in a folder."""
    run = Run.create("owl", tmp_path / "runs")
    run.save_config(CREATED)
    (run.path / "replay").mkdir()
    (run.path / "replay" / "sample").write_bytes(b"ab")
    return run


def content(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def names(runs_dir: Path) -> list[str]:
    return sorted(run.name for run in list_runs(runs_dir))


def test_a_copy_has_what_the_run_has(owl: Run) -> None:
    (owl.path / "control").mkdir()
    (owl.path / "control" / "pause").touch()
    (owl.path / "detached.log").write_text("validation loss")
    before = content(owl.path)
    copy = copy_run(owl, "hawk", owl.path.parent)
    assert content(owl.path) == before, "copying only reads"
    copied = {name: before[name] for name in before if not name.startswith(("control", "detached.log"))}
    assert {**content(copy.path), "config.json": b""} == {**copied, "config.json": b""}
    assert copy.config().name == "hawk"
    (copy.path / "replay" / "sample").write_bytes(b"changed")
    assert (owl.path / "replay" / "sample").read_bytes() == b"ab"
    with pytest.raises(UsageError, match="already a run 'hawk'"):
        copy_run(owl, "hawk", owl.path.parent)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_run_on_a_read_only_disk_is_copied(owl: Run, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with owl.lock():
        pass
    before, acquire = content(owl.path), FileLock.acquire
    os.chmod(owl.path / "replay" / "sample", 0o444)

    def refused(lock: FileLock, *arguments: Any, **more: Any) -> Any:
        if Path(lock.lock_file).parent == owl.path:
            raise OSError(number, os.strerror(number))
        return acquire(lock, *arguments, **more)

    monkeypatch.setattr(FileLock, "acquire", refused)
    copy = copy_run(owl, "hawk", owl.path.parent)
    assert (copy.path / "replay" / "sample").stat().st_mode & 0o777 == 0o644, "the owner may write the copy"
    assert content(owl.path) == before
    with (owl.path / LOCK_FILE).open() as file:  # another machine trains it
        fcntl.flock(file, fcntl.LOCK_EX)
        (owl.path / PID_FILE).touch()
        assert owl.is_busy()
        with pytest.raises(RunBusyError, match="is writing to run 'owl'"):
            copy_run(owl, "wren", owl.path.parent)
    assert not owl.is_busy() and names(owl.path.parent) == ["hawk", "owl"]


@pytest.mark.parametrize("name", ["../hawk", "a/b", "", ".hidden"])
def test_a_copy_stays_in_the_folder_of_the_runs(owl: Run, name: str) -> None:
    with pytest.raises(UsageError):
        copy_run(owl, name, owl.path.parent)
    with pytest.raises(UsageError):
        rename_run(owl, name, owl.path.parent)
    assert names(owl.path.parent) == ["owl"]


def test_a_link_in_a_run_is_not_copied(owl: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (owl.path / "replay" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="is a link"):
        copy_run(owl, "hawk", owl.path.parent)
    assert os.listdir(owl.path.parent) == ["owl"]


def test_a_run_gets_another_name(owl: Run) -> None:
    before = content(owl.path)
    hawk = rename_run(owl, "hawk", owl.path.parent)
    assert names(owl.path.parent) == ["hawk"] and hawk.config().name == "hawk"
    assert content(hawk.path).keys() == before.keys() and not hawk.is_busy()
    with hawk.lock():
        pass


def test_a_name_that_is_taken_meanwhile_is_left_alone(owl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hawk = Run.create("hawk", owl.path.parent)
    hawk.save_config(CREATED)
    monkeypatch.setattr(run_folder, "require_free_name", lambda name, runs_dir: None)
    with pytest.raises(UsageError, match="already a run 'hawk'"):
        rename_run(owl, "hawk", owl.path.parent)
    assert names(owl.path.parent) == ["hawk", "owl"]


@pytest.mark.usefixtures("impatient")
def test_a_run_that_is_trained_is_left_alone(owl: Run) -> None:
    with owl.lock():
        with pytest.raises(RunBusyError):
            remove_run(owl.path)
        with pytest.raises(RunBusyError):
            rename_run(owl, "hawk", owl.path.parent)
        with pytest.raises(RunBusyError):
            copy_run(owl, "hawk", owl.path.parent)
    assert os.listdir(owl.path.parent) == ["owl"]


def test_a_removal_that_is_killed_leaves_no_part_of_a_run_that_is_listed(
    owl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        (path / "config.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "remove_entry", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_run(owl.path)
    assert list_runs(owl.path.parent) == [] and len(os.listdir(owl.path.parent)) == 1
    monkeypatch.setattr(run_folder, "_FORGOTTEN_AFTER_S", 0.0)
    other = Run.create("hawk", owl.path.parent)
    other.save_config(CREATED)
    remove_run(other.path)
    finish_removals(owl.path.parent)
    assert os.listdir(owl.path.parent) == []


def test_what_cannot_be_removed_is_named(owl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(run_folder, "remove_entry", refused)
    with pytest.raises(StorageError, match="not all of its files") as caught:
        remove_run(owl.path)
    assert Path((caught.value.hint or "").partition(": ")[2]).is_dir()


def test_only_folders_of_runs_are_found(owl: Run, tmp_path: Path) -> None:
    runs = owl.path.parent
    (runs / "damaged").mkdir()
    (runs / "damaged" / "config.json").write_bytes(b"{")
    for known in ("owl", "damaged", str(owl.path), f"{runs}/../runs/owl"):
        assert find_folder(known, runs).parent == runs
    (runs / "plain").mkdir()
    (runs / "link").symlink_to(owl.path)
    elsewhere = Run.create("elsewhere", tmp_path / "others")
    elsewhere.save_config(CREATED)
    (runs / "away").symlink_to(elsewhere.path)
    (runs / "versions").symlink_to(tmp_path / "others")
    wrong = ("", ".", "..", "none", "plain", "link", "away", "versions/elsewhere", str(elsewhere.path))
    for name in (*wrong, str(runs), "/", f"{runs}/link", "~nobody-of-this-name/x"):
        with pytest.raises(RlmError):
            find_folder(name, runs)


def test_files_that_share_their_place_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"x" * 100)
    os.link(tmp_path / "a" / "one", tmp_path / "two")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "one")
    assert size_of_tree(tmp_path) == 100
