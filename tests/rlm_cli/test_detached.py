"""A training in the background outlives its terminal, and a `kill -9` of it is told and mended."""

import json
import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest

from models.runs.follow import Follower
from models.runs.run import Run
from rlm_cli.app import main
from tests.rlm_cli.trainings import LONG, PATIENCE_S


def trainer_of(run: Run) -> int:
    return int((run.path / ".lock-pid").read_text())


def until_further_steps(run: Run, count: int = 20) -> None:
    """Wait until the run has taken some steps from now on."""
    follower = Follower(run.path)
    follower.poll()
    target, deadline = follower.history.step + count, time.monotonic() + PATIENCE_S
    while follower.history.step < target:
        assert time.monotonic() < deadline and run.is_busy(), (run.path / "detached.log").read_text()
        time.sleep(0.05)
        follower.poll()


def test_a_killed_training_is_told_and_goes_on(
    background_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "book.txt", "--name", "owl", "-dq", *LONG]) == 0
    assert capsys.readouterr().out == "owl\n"
    run = Run.open("owl", background_home / "runs")
    process = trainer_of(run)
    assert os.getsid(process) == process != os.getsid(0)
    until_further_steps(run, 2)
    os.kill(process, signal.SIGSTOP)
    assert main(["pause"]) == 0
    os.kill(process, signal.SIGKILL)
    assert main(["watch", "owl"]) == 1
    assert "ended without a word" in capsys.readouterr().err
    assert [one.name for one in (run.path / "control").iterdir()] == ["pause"], "it was never taken"

    assert main(["resume", "-d", "--json"]) == 0
    started = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (started["event"], started["run"]) == ("run_started", "owl")
    until_further_steps(run)  # the request from before the kill is not obeyed
    assert main(["resume", "owl", "-d"]) == 1
    assert f"Process {trainer_of(run)} is writing to run 'owl'" in capsys.readouterr().err
    assert main(["stop"]) == 0
    assert main(["watch", "owl"]) == 0
    assert "ended" in capsys.readouterr().out
    deadline = time.monotonic() + PATIENCE_S
    while "validation loss" not in (run.path / "detached.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_training_outlives_its_terminal(background_home: Path) -> None:
    command = [sys.executable, "-m", "rlm_cli", "train", "book.txt", "--name", "owl", "-d", *LONG]
    shell, terminal = pty.fork()
    if shell == 0:
        os.environ["TERM"] = "xterm"
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        # As a shell does: the terminal is still open when the command has ended.
        os.spawnv(os.P_WAIT, command[0], command)
        os.write(1, b"the command has ended")
        time.sleep(PATIENCE_S)
        os._exit(1)
    shown = b""
    while b"the command has ended" not in shown:
        shown += os.read(terminal, 4096)
    assert b"watch owl" in shown
    os.close(terminal)
    _, status = os.waitpid(shell, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGHUP
    run = Run.open("owl", background_home / "runs")
    until_further_steps(run)
    assert main(["pause"]) == 0
    assert main(["watch", "owl"]) == 0
