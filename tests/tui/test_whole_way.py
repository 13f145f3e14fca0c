"""From the form to a chat, as a person goes, on a real terminal with a real training."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there is no pty", allow_module_level=True)

from models.runs.lock import PID_FILE
from tests.tui.real_terminal import ROOT, RealTerminal

CORPUS = ROOT / "sample_corpora" / "fables.txt"
TINY = {"RLM_D_MODEL": "32", "RLM_HEADS": "2", "RLM_CONTEXT": "32", "RLM_BATCH_SIZE": "4"}


def losses(run: Path) -> list[float]:
    """The losses of the steps in the log of a run."""
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [event["loss"] for event in map(json.loads, lines) if event["event"] == "step_finished"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The run of the test. What still trains it in the end is killed."""
    path = tmp_path / "runs" / "owl"
    yield path
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((path / PID_FILE).read_text()), signal.SIGKILL)


def longer_than(run: Path, steps: int) -> Callable[[str], bool]:
    return lambda screen: len(losses(run)) > steps


def test_a_person_trains_resumes_stops_and_chats(tmp_path: Path, run: Path) -> None:
    (tmp_path / "tale.txt").write_bytes(CORPUS.read_bytes())
    with RealTerminal(["tui"], tmp_path, environment=TINY) as terminal:
        terminal.wait_for("There is no run")
        terminal.press("n")
        terminal.wait_for("tale.txt")
        terminal.press("enter", "enter")  # to the texts, and the first of them
        terminal.wait_for("tale: ")  # the plan
        terminal.type("owl")
        terminal.press("enter")
        terminal.type("5")
        terminal.press("f10")
        terminal.wait_for("training")
        terminal.press("enter")
        terminal.wait_for("step 5")
        terminal.wait_for(lambda screen: min(losses(run)[1:]) < losses(run)[0])
        assert "train" in terminal.text and "left" in terminal.text

        os.kill(int((run / PID_FILE).read_text()), signal.SIGKILL)
        terminal.wait_for("killed")
        before = len(losses(run))

        def resumes(screen: str) -> bool:  # while the start before is ending, r does nothing
            if "killed" in screen:
                terminal.press("r")
            return len(losses(run)) > before

        terminal.wait_for(resumes)
        terminal.process.kill()

    before = len(losses(run))
    with RealTerminal(["tui", "owl"], tmp_path) as terminal:
        terminal.wait_for("training")
        terminal.wait_for(longer_than(run, before))
        terminal.press("s")
        terminal.wait_for("Stop owl?")
        terminal.press("y")
        terminal.wait_for("finished")
        terminal.press("c")
        terminal.wait_for("/help lists")
        terminal.type("mode deep")
        terminal.press("enter")
        terminal.wait_for("deep 3x2")
        terminal.type("The crow")
        terminal.press("enter")
        terminal.wait_for("tokens/s")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
    assert b"Traceback" not in terminal.received
