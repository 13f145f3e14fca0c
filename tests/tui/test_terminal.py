"""What reaches a real terminal from an application over hostile texts, and how it is left."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there is no pty", allow_module_level=True)

from models.runs.events import NoticeGiven, SampleGenerated
from tests.models.runs.example_events import paused, started
from tests.tui.conftest import steps
from tests.tui.real_terminal import RealTerminal
from tui.screens.dashboard import VIEWS

OBEYED = "\x1b]0;OBEYED\x07\x9b31m\u202e\x1bc"


def test_nothing_hostile_reaches_the_terminal_and_ctrl_q_gives_it_back(record, tmp_path: Path) -> None:
    sample = SampleGenerated(step=30, prompt=f"One {OBEYED}", text=f"{OBEYED} after")
    record("owl", [started(), *steps(30), sample, NoticeGiven(message=OBEYED), paused(30)])
    with RealTerminal(["tui", "owl"], tmp_path) as terminal:
        terminal.wait_for("paused")
        terminal.press(str(VIEWS.index("samples") + 1))
        terminal.wait_for("after")
        terminal.press(str(VIEWS.index("log") + 1))
        terminal.wait_for("OBEYED")
        terminal.press("escape")
        terminal.wait_for("1 run ")
        terminal.press("\x1b[200~\x1b[31m d y\x1b[201~", "\udcff")  # a paste, and a byte that is no text
        assert "Delete" not in terminal.text
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
    shown = bytes(terminal.received)
    assert b"\x1b]0;" not in shown and b"\x1bc" not in shown
    assert "\x9b".encode() not in shown and "\u202e".encode() not in shown
    assert b"\x1b[?1049l" in shown, "the screen from before comes back"
