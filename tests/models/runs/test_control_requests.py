"""Requests by file: taken once, only plain files of ours, and never by a later training."""

import os
from pathlib import Path

import pytest

from models.errors import RunError
from models.runs.control_requests import CONTROL_FOLDER, REQUESTS, Request, clear, request, take
from models.runs.run import Run
from tests.models.runs.example_config import CREATED


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create("owl", tmp_path)
    made.save_config(CREATED)
    return made


def test_a_run_that_was_never_asked_has_no_requests(run: Run) -> None:
    assert take(run) == set()
    assert not (run.path / CONTROL_FOLDER).exists()


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_is_taken_once(run: Run, kind: Request) -> None:
    with run.lock():
        request(run, kind)
        request(run, kind)
        assert take(run) == {kind}
        assert take(run) == set()
        request(run, kind)
        assert take(run) == {kind}


def test_several_requests_are_taken_together(run: Run) -> None:
    with run.lock():
        request(run, "save")
        request(run, "sample")
        assert take(run) == {"save", "sample"}


def test_a_run_nobody_trains_cannot_be_asked(run: Run) -> None:
    with pytest.raises(RunError, match="Run 'owl' is not training"):
        request(run, "pause")
    assert not (run.path / CONTROL_FOLDER).exists()


def test_the_next_training_does_not_get_an_old_request(run: Run) -> None:
    with run.lock():
        request(run, "pause")
    with run.lock():
        assert take(run) == set()
        request(run, "stop")
        clear(run)
        assert take(run) == set()


def test_a_request_that_comes_while_the_lock_is_held_over_several_steps_stays(run: Run) -> None:
    with run.lock():
        request(run, "stop")
    with run.hold():
        with run.lock():
            request(run, "pause")
        with run.hold(), run.lock():  # as the training that follows takes it
            assert take(run) == {"pause"}


def test_foreign_files_are_ignored_and_left_alone(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = run.path / CONTROL_FOLDER
    folder.mkdir()
    (folder / "pause").symlink_to(outside)
    (folder / "stop").mkdir()
    os.mkfifo(folder / "save")
    (folder / "notes.txt").write_text("mine")
    with run.lock():
        assert take(run) == set()
        for kind in ("pause", "stop", "save"):
            with pytest.raises(RunError, match="in the way"):
                request(run, kind)
    assert sorted(os.listdir(folder)) == ["notes.txt", "pause", "save", "stop"]
    assert outside.read_text() == "mine"


def test_a_control_folder_that_leads_elsewhere_is_not_followed(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "pause").touch()
    (run.path / CONTROL_FOLDER).symlink_to(outside)
    with run.lock():
        assert take(run) == set()
        with pytest.raises(RunError, match="in the way"):
            request(run, "stop")
    assert os.listdir(outside) == ["pause"]


def test_a_request_that_cannot_be_removed_is_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(path)

    with run.lock():
        request(run, "save")
        with monkeypatch.context() as patched:
            patched.setattr("models.runs.control_requests.os.unlink", refuse)
            assert take(run) == set()
        assert take(run) == {"save"}
