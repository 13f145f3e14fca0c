"""Starting `rlm` apart from this process and its terminal."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from data.errors import StorageError
from models.runs import detached
from models.runs.detached import exit_code, kill, start_detached


def test_it_runs_in_a_session_of_its_own_and_prints_into_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").touch()  # a package of the user
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    log.write_text("before\n")
    process = start_detached(["show", "nothing"], log)
    assert os.getsid(process) == process
    deadline = time.monotonic() + 60
    while (code := exit_code(process)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert code == 2
    assert log.read_text().startswith("before\nerror: There is no run 'nothing'.")


def test_it_can_be_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = tmp_path / "children"
    script = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "one = subprocess.Popen(sleep, start_new_session=True)\n"
        f"print(one.pid, file=open({str(children)!r}, 'w'), flush=True)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(detached, "rlm_command", lambda arguments: [sys.executable, "-c", script])
    process = start_detached([], tmp_path / "log")
    while not children.exists() or not children.read_text():
        time.sleep(0.01)
    child = psutil.Process(int(children.read_text()))
    kill(process)
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive
    while exit_code(process) is None:
        time.sleep(0.01)
    assert exit_code(process) == -9


def test_a_log_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "other")
    with pytest.raises(StorageError, match="the output of the detached process"):
        start_detached(["ls"], tmp_path / "log")
    assert not (tmp_path / "other").exists()
