"""The application on a real terminal: what reaches it, and how it is left."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.runs.events import NoticeGiven, SampleGenerated
from tests.models.runs.example_events import paused, started
from tests.tui.conftest import steps

ROOT = Path(__file__).resolve().parents[2]
OBEYED = "\x1b]0;OBEYED\x07\x9b31m\u202e\x1bc"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_nothing_hostile_reaches_the_terminal_and_ctrl_q_gives_it_back(record, tmp_path: Path) -> None:
    sample = SampleGenerated(step=30, prompt=f"One {OBEYED}", text=f"{OBEYED} after")
    record("owl", [started(), *steps(30), sample, NoticeGiven(message=OBEYED), paused(30)])
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-m", "rlm_cli", "tui", "owl", "--runs-dir", str(tmp_path / "runs")],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()

    def read_until(holds: Callable[[], bool]) -> None:
        ends = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < ends, bytes(seen[-2000:])
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    seen.extend(os.read(ours, 1 << 16))
                except OSError:  # the other side is closed
                    return

    try:
        read_until(lambda: b"Gradient" in seen and b"paused" in seen)
        os.write(ours, b"7")
        read_until(lambda: b"after" in seen)
        os.write(ours, b"8")
        read_until(lambda: seen.count(b"OBEYED") > 2)
        os.write(ours, b"\x1b")  # back to the runs
        read_until(lambda: b"run in" in seen)
        os.write(ours, b"\x11")  # Ctrl-Q
        read_until(lambda: process.poll() is not None)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert process.returncode == 0
    shown = bytes(seen)
    assert b"\x1b]0;" not in shown and b"\x1bc" not in shown
    assert "\x9b".encode() not in shown and "\u202e".encode() not in shown
    assert b"\x1b[?1049l" in shown, "the screen from before comes back"
