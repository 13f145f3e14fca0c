"""Processes of one training: which of them failed, and why."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.processes import local_processes
from models.processes.local_processes import Failure, LocalProcesses, Stopped
from models.processes.placement import OTHERS_ENDED

START = """
import json, os, signal, sys, time
rank = int(os.environ["RANK"])

def others_ended():
    sys.exit(75)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def ready(path):  # opened without a file object: what a handler raises while one is freed is lost
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))

def tell(text):
    told = {"message": {"message": text, "extraInfo": {"timestamp": "1"}}}
    open(os.environ["TORCHELASTIC_ERROR_FILE"], "w").write(json.dumps(told))
"""


def command(script: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", f"{START}\n{script}"]


def outcome(script: str, processes: int = 2) -> int | Failure:
    with LocalProcesses(command(script), processes, os.environ) as started:
        return started.wait()


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(2 if rank == 0 else 75)", 2),  # process 0 has told its error
        ("die() if rank == 1 else others_ended()", Failure(1, "was killed by SIGKILL")),
        ("die() if rank == 0 else others_ended()", Failure(0, "was killed by SIGKILL")),
        ("sys.exit(3) if rank == 1 else others_ended()", Failure(1, "ended with exit code 3")),
        (
            "tell('ValueError: no.\\nmore') or sys.exit(1) if rank == 1 else others_ended()",
            Failure(1, "ended with an error: ValueError: no"),
        ),
        (
            "tell('StorageError: full') if rank == 1 else others_ended()",
            Failure(1, "ended with an error: StorageError: full"),
        ),
        ("others_ended()", Failure(None, "ended, and nothing says why")),
    ],
)
def test_who_failed(script: str, ended: int | Failure) -> None:
    assert outcome(script) == ended


def test_each_knows_its_place(tmp_path: Path) -> None:
    names = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "RLM_MEETING_FILE"]
    write = f"json.dump([os.environ[n] for n in {names}], open({str(tmp_path)!r} + f'/{{rank}}', 'w'))"
    assert outcome(write, 3) == 0
    found = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(3)]
    assert [one[:4] for one in found] == [[rank, "3", rank, "3"] for rank in "012"]
    assert len({one[4] for one in found}) == 1


def test_one_that_waits_for_an_ended_one_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_processes, "_PATIENCE_S", 0.2)
    assert outcome("die() if rank == 1 else time.sleep(60)") == Failure(1, "was killed by SIGKILL")
    assert outcome("sys.exit(0) if rank == 0 else time.sleep(60)") == 0


def test_a_signal_reaches_all_of_them(tmp_path: Path) -> None:
    script = f"""
def note(number, frame):
    open({str(tmp_path)!r} + f"/{{rank}}", "w").write(str(number))
    sys.exit(0)
signal.signal(signal.SIGTERM, note)
ready({str(tmp_path)!r} + f"/ready{{rank}}")
time.sleep(60)
"""
    with LocalProcesses(command(script), 2, os.environ) as started:
        while len(list(tmp_path.glob("ready*"))) < 2:
            time.sleep(0.01)
        assert started.wait([signal.SIGTERM]) == 0
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["15", "15"]


@pytest.mark.parametrize(
    ("handler", "ended"),
    [
        ("", Stopped()),
        ("handle(lambda *_: sys.exit(143))", Stopped()),
        ("if rank == 0: handle(lambda *_: others_ended())", Stopped()),
        ("handle(lambda *_: sys.exit(0 if rank == 0 else 1))", 0),
        ("handle(lambda *_: sys.exit(2))", 2),
        ("handle(lambda *_: die() if rank == 1 else others_ended())", Failure(1, "was killed by SIGKILL")),
        (
            "if rank == 1: handle(lambda *_: tell('ValueError: no') or others_ended())",
            Failure(1, "ended with an error: ValueError: no"),
        ),
    ],
)
def test_a_signal_ends_those_that_cannot_answer_it_yet(
    tmp_path: Path, handler: str, ended: int | Failure | Stopped
) -> None:
    script = f"""
handle = lambda handler: signal.signal(signal.SIGTERM, handler)
{handler}
ready({str(tmp_path)!r} + f"/{{rank}}")
time.sleep(60)
"""
    with LocalProcesses(command(script), 2, os.environ) as started:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        assert started.wait([signal.SIGTERM]) == ended


def test_standard_input_ends_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = f"os.read(0, 1); open({str(tmp_path)!r} + f'/{{rank}}', 'w')"
    starts = f"""
import os, signal, sys
from models.processes.local_processes import LocalProcesses
started = LocalProcesses({command(script)!r}, 2, os.environ)
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", starts], env=environment, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < deadline, "they wait on"
        time.sleep(0.01)


def test_what_is_exited_with_means_the_others() -> None:
    assert OTHERS_ENDED == 75, "the scripts above exit with it"
