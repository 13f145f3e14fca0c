"""Requests by file: taken once, only plain files of ours, and never by a later training."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import RunError
from models.runs.control_requests import (
    CONTROL_FOLDER,
    LONGEST_PROMPT,
    REQUESTS,
    Request,
    clear,
    request,
    take,
)
from models.runs.run import Run
from tests.models.runs.example_config import CREATED, WITH_TEXT


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create("owl", tmp_path)
    made.save_config(CREATED)
    return made


def test_a_run_that_was_never_asked_has_no_requests(run: Run) -> None:
    assert set(take(run)) == set()
    assert not (run.path / CONTROL_FOLDER).exists()


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_is_taken_once(run: Run, kind: Request) -> None:
    with run.lock():
        request(run, kind)
        request(run, kind)
        assert set(take(run)) == {kind}
        assert set(take(run)) == set()
        request(run, kind)
        assert set(take(run)) == {kind}


def test_several_requests_are_taken_together(run: Run) -> None:
    with run.lock():
        request(run, "save")
        request(run, "sample")
        assert set(take(run)) == {"save", "sample"}


def test_a_run_nobody_trains_cannot_be_asked(run: Run) -> None:
    with pytest.raises(RunError, match="Run 'owl' is not training"):
        request(run, "pause")
    assert not (run.path / CONTROL_FOLDER).exists()


def test_the_next_training_does_not_get_an_old_request(run: Run) -> None:
    with run.lock():
        request(run, "pause")
    with run.lock():
        assert set(take(run)) == set()
        request(run, "stop")
        clear(run)
        assert set(take(run)) == set()


def test_a_request_that_comes_while_the_lock_is_held_over_several_steps_stays(run: Run) -> None:
    with run.lock():
        request(run, "stop")
    with run.hold():
        with run.lock():
            request(run, "pause")
        with run.hold(), run.lock():  # as the training that follows takes it
            assert set(take(run)) == {"pause"}


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
        assert set(take(run)) == set()
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
        assert set(take(run)) == set()
        with pytest.raises(RunError, match="in the way"):
            request(run, "stop")
    assert os.listdir(outside) == ["pause"]


def test_a_request_that_cannot_be_removed_is_ignored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, aside: str) -> None:
        raise PermissionError(path)

    with run.lock():
        request(run, "save")
        with monkeypatch.context() as patched:
            patched.setattr("models.runs.control_requests.os.replace", refuse)
            assert set(take(run)) == set()
        assert set(take(run)) == {"save"}


def test_the_last_prompt_of_a_sample_counts(run: Run) -> None:
    with run.lock():
        request(run, "sample", "One day\n")
        request(run, "sample", "Zwei Bäume \udcff")
        request(run, "save")
        assert take(run) == {"sample": "Zwei Bäume ?", "save": ""}
        assert os.listdir(run.path / CONTROL_FOLDER) == []


def test_a_run_of_puzzles_writes_no_sample(run: Run) -> None:
    run.save_config(replace(WITH_TEXT, data=replace(WITH_TEXT.data, kind="puzzles")))
    with run.lock():
        with pytest.raises(RunError, match="solves puzzles"):
            request(run, "sample")
        assert take(run) == {}


def test_a_prompt_that_is_too_long_is_refused_and_ignored(run: Run) -> None:
    with run.lock():
        request(run, "sample", "ä" * (LONGEST_PROMPT // 2))
        assert len(take(run)["sample"]) == LONGEST_PROMPT // 2
        with pytest.raises(RunError, match="4,098 bytes"):
            request(run, "sample", "ä" * (LONGEST_PROMPT // 2 + 1))
        (run.path / CONTROL_FOLDER / "sample").write_bytes(b"a" * (LONGEST_PROMPT + 1))
        assert take(run) == {} and os.listdir(run.path / CONTROL_FOLDER) == []
        (run.path / CONTROL_FOLDER / "sample").write_bytes(b"\xff\x00")
        assert take(run) == {"sample": "\ufffd\x00"}
