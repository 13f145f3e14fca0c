"""Starting `rlm` apart from this process and its terminal."""

import os
import time
from pathlib import Path

import pytest

from data.errors import StorageError
from models.runs.detached import exit_code, start_detached


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


def test_a_log_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "other")
    with pytest.raises(StorageError, match="the output of the detached process"):
        start_detached(["ls"], tmp_path / "log")
    assert not (tmp_path / "other").exists()
