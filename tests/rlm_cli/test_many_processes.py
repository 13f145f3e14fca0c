"""`--nproc`, and torchrun: a lost process, Ctrl-C, and the same run in the background."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from models.errors import ProcessLostError
from models.runs.events import NoticeGiven, RunPaused, RunStarted
from models.runs.follow import Follower
from models.runs.run import Run
from models.training.team import Team
from rlm_cli import many_processes
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from tests.rlm_cli.trainings import LONG, PATIENCE_S, TINY, UNMEASURED, processes_in

SAVING = ["--set", "training.checkpoint_minutes=0"]  # after every step

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gloo needs a Unix")


def member(folder: Path, rank: int) -> psutil.Process:
    """The process of that number in the training in `folder`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for process in processes_in(folder):
            try:
                if process.environ().get("RANK") == str(rank):
                    return process
            except psutil.Error:
                continue
        time.sleep(0.05)
    raise AssertionError(f"there is no process {rank}")


def until_steps(run: Run, is_enough: int) -> int:
    """Wait for so many steps; the step that the run is at."""
    follower, deadline = Follower(run.path), time.monotonic() + PATIENCE_S
    follower.poll()
    while follower.history.step < is_enough:
        assert time.monotonic() < deadline, (run.path / "detached.log").read_text()
        time.sleep(0.05)
        follower.poll()
    return follower.history.step


def until_started_again(run: Run, starts: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while sum(isinstance(event, RunStarted) for event in run.events()) < starts:
        assert time.monotonic() < deadline, (run.path / "detached.log").read_text()
        time.sleep(0.05)


def until_idle(run: Run) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while run.is_busy():
        assert time.monotonic() < deadline, (run.path / "detached.log").read_text()
        time.sleep(0.05)


def test_a_lost_process_ctrl_c_and_a_lost_starter(background_home: Path) -> None:
    home = background_home
    command = [sys.executable, "-m", "rlm_cli", "train", "book.txt", "--name", "owl", "--nproc", "2"]
    shown = subprocess.Popen([*command, *LONG, *SAVING], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_S
    while not (home / "runs" / "owl" / "config.json").exists():
        assert time.monotonic() < deadline and shown.poll() is None
        time.sleep(0.05)
    run = Run.open("owl", home / "runs")
    step = until_steps(run, 5)
    member(home, 1).kill()
    until_started_again(run, 2)
    assert run.is_busy()
    step = until_steps(run, step + 5)

    shown.send_signal(signal.SIGINT)
    _, told = shown.communicate(timeout=PATIENCE_S)
    assert shown.returncode == ExitCode.PAUSED
    assert "Started: 50,000 steps, in 2 processes." in told and "resume owl" in told
    events = list(run.events())
    started = [event for event in events if isinstance(event, RunStarted)]
    assert isinstance(events[-1], RunPaused) and [one.processes for one in started] == [2, 2]
    assert 0 < started[1].start_step <= step
    notices = [event.message for event in events if isinstance(event, NoticeGiven)]
    assert sum(one.startswith("Process 1 was killed by SIGKILL, after step ") for one in notices) == 1
    assert not run.is_busy() and processes_in(home) == []

    assert main(["resume", "owl", "--nproc", "2", "-dq"]) == 0
    step = until_steps(run, events[-1].step + 5)
    starter = member(home, 0).parent()
    assert starter is not None and "--nproc" in starter.cmdline()
    starter.kill()
    until_idle(run)
    last = list(run.events())[-1]
    assert isinstance(last, RunPaused) and last.step >= step  # nobody would start them again
    psutil.wait_procs(left := processes_in(home), timeout=PATIENCE_S)
    assert not any(one.is_running() for one in left)


@pytest.mark.slow
def test_torchrun_goes_on_with_the_run_that_it_made(background_home: Path) -> None:
    home = background_home
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "--max-restarts", "3", "-m", "rlm_cli", "train", "book.txt", "--steps", "400"]
    shown = subprocess.Popen([*command, *TINY, *UNMEASURED, *SAVING], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_S
    while not (home / "runs" / "book" / "config.json").exists():
        assert time.monotonic() < deadline and shown.poll() is None
        time.sleep(0.05)
    run = Run.open("book", home / "runs")
    until_steps(run, 30)
    member(home, 0).kill()
    shown.communicate(timeout=PATIENCE_S)
    assert shown.returncode == 0
    assert [path.name for path in (home / "runs").iterdir()] == ["book"]
    assert run.history().step == 400


@pytest.mark.parametrize(
    ("environment", "words", "told"),
    [
        ({"RANK": "owl", "WORLD_SIZE": "2"}, [], "RANK and WORLD_SIZE do not say which process this is"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, [], "RANK and WORLD_SIZE do not say which process this is"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, [], "or unset RANK and WORLD_SIZE"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, ["--nproc", "2"], "--nproc does not go with torchrun"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, ["--detach"], "--detach does not go with torchrun"),
    ],
)
def test_what_does_not_go_with_torchrun(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    words: list[str],
    told: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["train", "book.txt", *words]) == ExitCode.USAGE
    assert told in capsys.readouterr().err
    assert not (home / "runs").exists()


def test_more_processes_than_the_batch_has_sequences(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = TINY.index("--batch-size") + 1
    few = [*TINY[:one], "1", *TINY[one + 1 :], "--steps", "5"]
    assert main(["train", "book.txt", "--name", "owl", "--nproc", "2", *few]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "A batch of 1 cannot be divided among 2 processes" in told and "reading" not in told
    assert not (home / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["book.txt", "--name", "owl-2", "--batch-size", "1"],
        ["book.txt", "--continue", "owl"],  # whose batch is 4
        ["book.txt:0.5", "book.txt:0.5", "--batch-size", "1"],
        ["--task", "sudoku:4x4", "--batch-size", "1"],
        ["--task", "compose:s3", "--batch-size", "1"],
    ],
)
def test_too_many_processes_are_refused_before_anything_is_read(
    finished: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["train", *words, "--nproc", "5"]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "cannot be divided among 5 processes" in told and "reading" not in told
    assert [path.name for path in (finished / "runs").iterdir()] == ["owl"]


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)


def test_more_processes_than_gpus(one_gpu: None, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = TINY.index("--device")
    anywhere = [*TINY[:place], *TINY[place + 2 :], "--name", "owl", "--steps", "5"]
    for device in ([], ["--device", "cuda"]):
        assert main(["train", "book.txt", "--nproc", "2", *anywhere, *device]) == ExitCode.USAGE
        told = capsys.readouterr().err
        assert "This machine has 1 GPU for 2 processes." in told and "reading" not in told
    assert not (home / "runs").exists()


def test_processors_need_no_gpus(one_gpu: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr(
        "rlm_cli.many_processes.train_in_processes", lambda run, count, *_, **__: started.append(count) or 0
    )
    assert main(["train", "book.txt", "--name", "owl", "--nproc", "2", *TINY, "--steps", "5"]) == 0
    assert main(["resume", "owl", "--nproc", "2"]) == 0
    assert started == [2, 2]


@pytest.mark.parametrize("processes", [[], ["--nproc", "2"], ["--nproc", "2", "-d"]])
def test_a_finished_run_is_refused_alike(
    finished: Path, capsys: pytest.CaptureFixture[str], processes: list[str]
) -> None:
    assert main(["resume", "owl", *processes]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "error: Run 'owl' is finished.\nGo on with it: rlm resume owl --minutes 5" in told
    assert not (finished / "runs" / "owl" / "detached.log").exists()


def test_what_the_processes_refuse_has_the_same_exit_code(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: Run, *_: object, **__: object) -> int:
        (run.path / "detached.log").write_text("error: No more.\nGo away.\n")
        return 1

    monkeypatch.setattr(many_processes, "start_training", refuse)
    monkeypatch.setattr(many_processes, "exit_code", lambda process: ExitCode.USAGE)
    assert main(["resume", "owl", "--nproc", "2", "--steps", "1"]) == ExitCode.USAGE
    assert "error: No more.\nGo away.\n" in capsys.readouterr().err


def test_an_end_that_nothing_tells_is_not_the_one_before(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_processes, "start_training", lambda *_, **__: 1)
    monkeypatch.setattr(many_processes, "exit_code", lambda process: -signal.SIGKILL)
    capsys.readouterr()
    assert main(["resume", "owl", "--nproc", "2", "--steps", "1"]) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert "ended without a word: it crashed, or was killed" in shown.err
    assert "validation loss" not in shown.out + shown.err


@pytest.mark.parametrize("code", [-signal.SIGTERM, ExitCode.TERMINATED, -signal.SIGINT])
def test_a_signal_before_the_training_can_answer_is_a_pause(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(many_processes, "start_training", lambda *_, **__: 1)
    monkeypatch.setattr(many_processes, "exit_code", lambda process: code)
    capsys.readouterr()
    assert main(["resume", "owl", "--nproc", "2", "--steps", "1"]) == ExitCode.PAUSED
    assert capsys.readouterr().err.endswith("Paused, and saved.\nContinue:  rlm resume owl\n")
    run = Run.open("owl", finished / "runs")
    assert isinstance(run.history().ended, RunPaused)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, ExitCode.TERMINATED), (signal.SIGINT, ExitCode.PAUSED)]
)
def test_a_signal_while_the_processes_start_is_passed_on(
    finished: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: ExitCode
) -> None:
    passed_on = list[int]()

    def start(*_: object, **__: object) -> int:
        signal.raise_signal(number)
        return 123

    monkeypatch.setattr(many_processes, "start_training", start)
    monkeypatch.setattr(many_processes, "exit_code", lambda _: -signal.SIGTERM if passed_on else None)
    monkeypatch.setattr(many_processes, "interrupt", passed_on.append)
    assert main(["resume", "owl", "--nproc", "2", "--steps", "1"]) == code
    assert passed_on == [123]


def test_standard_input_that_ends_is_a_signal_to_end() -> None:
    script = """
import signal, sys, time
from rlm_cli.process_team import end_with_starter
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
end_with_starter()
print("ready", flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert started.stdin is not None and started.stdout is not None
    assert started.stdout.readline() == "ready\n" and started.poll() is None
    started.stdin.close()
    assert started.wait(timeout=50) == 7
    started.stdout.close()


@pytest.fixture
def finished(home: Path) -> Path:
    """A folder with a finished run 'owl'."""
    assert main(["train", "book.txt", "--name", "owl", "-q", *TINY, "--steps", "2"]) == 0
    return home


def test_a_run_is_extended_once_though_torchrun_starts_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["train", "book.txt", "--name", "owl", "-q", *TINY, "--steps", "4"]) == 0
    run = Run.open("owl", home / "runs")

    def is_lost(*_: object, **__: object) -> int:
        raise ProcessLostError

    monkeypatch.setattr("rlm_cli.execution.process_team", lambda **_: contextlib.nullcontext(Team()))
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "book"}.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as first_start:
        first_start.setattr("rlm_cli.training_session.follow_training", is_lost)
        assert main(["resume", "owl", "--steps", "3"]) == ExitCode.PROCESS_LOST
    extended = run.config().extension
    assert extended is not None and extended.from_step == 4
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setattr("models.planning.extend.extend", is_lost)
    assert main(["resume", "owl", "--steps", "3"]) == 0
    assert run.history().step == 7


@pytest.mark.parametrize("words", [["train", "book.txt"], ["train", "book.txt", "--nproc", "1"], ["resume"]])
def test_one_process_has_no_other_to_divide_a_model_with(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([*words, "--shard"]) == ExitCode.USAGE
    assert "One process has no other to divide a model with" in capsys.readouterr().err
    assert not (home / "runs").exists()
