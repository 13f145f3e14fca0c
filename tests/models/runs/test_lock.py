"""The lock of a run that is handed to a process which is only starting."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from data.replay import draw_sample
from models.errors import RunBusyError, RunError
from models.runs.lock import PID_FILE, holding_lock, is_locked, name_reserved, reserving_lock
from models.runs.new_run import new_run
from models.runs.replay_samples import save_replay_sample
from models.runs.run import Run

TOKENS = np.arange(50, dtype=np.uint16)


@pytest.mark.usefixtures("impatient")
def test_a_reserved_lock_belongs_to_the_process_that_inherits_it(tmp_path: Path) -> None:
    waiting = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
    with reserving_lock(tmp_path) as reservation:
        assert reservation is not None and is_locked(tmp_path)
        child = subprocess.Popen(waiting, stdin=subprocess.PIPE, pass_fds=[reservation])
        name_reserved(tmp_path, child.pid)
    with child:
        assert is_locked(tmp_path)
        with pytest.raises(RunBusyError, match=f"Process {child.pid} is"), holding_lock(tmp_path):
            pass
        with pytest.raises(RunBusyError), reserving_lock(tmp_path):
            pass
        with holding_lock(tmp_path, is_reserved_for_us=True):
            pass
    assert not is_locked(tmp_path)
    with holding_lock(tmp_path):
        pass


def test_a_look_at_the_lock_makes_no_run_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    (run / PID_FILE).touch()
    acquire = FileLock.acquire

    def after_a_move(lock: FileLock, *arguments, **more):
        run.rename(elsewhere)
        return acquire(lock, *arguments, **more)

    monkeypatch.setattr(FileLock, "acquire", after_a_move)
    assert not is_locked(run)
    assert not run.exists()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_the_lock_makes_no_run_that_is_gone(
    is_replaced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    acquire = FileLock.acquire

    def after_a_move(lock: FileLock, *arguments, **more):
        run.rename(elsewhere)
        if is_replaced:
            run.mkdir()
            (run / "config.json").touch()
        return acquire(lock, *arguments, **more)

    monkeypatch.setattr(FileLock, "acquire", after_a_move)
    with pytest.raises(RunError, match="no longer there"), holding_lock(run):
        pass
    assert run.exists() == is_replaced
    assert list(elsewhere.iterdir()) == []


def test_an_error_removes_nothing_of_what_is_in_the_place_of_a_new_run(tmp_path: Path) -> None:
    run, other = tmp_path / "owl", tmp_path / "other"
    other.mkdir()
    (other / "config.json").touch()
    with pytest.raises(ZeroDivisionError), new_run("owl", tmp_path):
        run.rename(tmp_path / "elsewhere")
        other.rename(run)
        1 / 0  # noqa: B018
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_no_replay_sample_goes_into_what_is_in_the_place_of_a_run(tmp_path: Path) -> None:
    run = Run.create("owl", tmp_path)
    with run.lock():
        run.path.rename(tmp_path / "elsewhere")
        run.path.mkdir()
        with pytest.raises(RunError, match="something else is in its place"):
            save_replay_sample(run, draw_sample("a", TOKENS, TOKENS, 10, 100))
    assert list(run.path.iterdir()) == []
