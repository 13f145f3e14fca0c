"""The lock of a run that is handed to a process which is only starting."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import RunBusyError
from models.runs.lock import holding_lock, is_locked, name_reserved, reserving_lock


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
