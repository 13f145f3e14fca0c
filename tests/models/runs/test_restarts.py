"""Several processes are started again where one fails, and each time it is told, until no step is gained."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from data.errors import StorageError
from models.processes.local_processes import Failure, Stopped
from models.runs import restarts
from models.runs.events import Event, NoticeGiven, RunFailed, RunPaused, StepFinished
from models.runs.restarts import MAX_RESTARTS, train_in_local_processes
from models.runs.run import Run
from tests.models.runs.example_events import finished, paused

Attempt = tuple[int, int | Failure | Stopped]


class Attempts:
    """Stands for the processes: attempt by attempt, the steps that they take and how they end."""

    def __init__(self, run: Run, *attempts: Attempt, coming: Sequence[int] = ()) -> None:
        self.run, self.left, self.commands = run, list(attempts), list[list[str]]()
        self.coming = coming
        """Signals that come while they run."""

    def __call__(self, command: list[str], count: int, inherited: dict[str, str]) -> "Attempts":
        self.commands.append([*command, str(count)])
        return self

    def __enter__(self) -> "Attempts":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, signals: list[int]) -> int | Failure | Stopped:
        signals.extend(self.coming)
        to_step, ended = self.left.pop(0)
        for _ in self.run.record(step(number) for number in range(1, to_step + 1)):
            pass
        return ended


def step(number: int) -> StepFinished:
    return StepFinished(
        step=number, total_steps=100, epoch=0.0, loss=1.0, learning_rate=0.1, gradient_norm=1.0, depth="1",
        tokens_seen=1, tokens_per_second=1.0, elapsed_s=1.0, eta_s=1.0,
    )  # fmt: skip


@pytest.fixture
def run(new_run: object) -> Run:
    return new_run("owl")  # type: ignore[operator,no-any-return]


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    came: list[int] = []
    monkeypatch.setattr(restarts, "noted_signals", lambda: came)
    return came


def train(run: Run, monkeypatch: pytest.MonkeyPatch, *attempts: Attempt, coming: Sequence[int] = ()) -> int:
    processes = Attempts(run, *attempts, coming=coming)
    monkeypatch.setattr(restarts, "LocalProcesses", processes)
    code = train_in_local_processes(run, ["rlm"], 2, {})
    assert not processes.left and set(map(tuple, processes.commands)) == {("rlm", "2")}
    return code


def told(run: Run) -> list[str]:
    return [event.message for event in run.events() if isinstance(event, NoticeGiven | RunFailed)]


KILLED = Failure(1, "was killed by SIGKILL")


def test_each_restart_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Failure(None, "ended, and nothing says why")
    assert train(run, monkeypatch, (4, KILLED), (6, unknown), (9, 0)) == 0
    assert told(run) == [
        "Process 1 was killed by SIGKILL, after step 4. All start again at the newest checkpoint.",
        "A process ended, and nothing says why, after step 6. All start again at the newest checkpoint.",
    ]
    assert all(event.is_warning for event in run.events() if isinstance(event, NoticeGiven))
    assert "Process 1 was killed by SIGKILL" in run.training_log_path.read_text()


def test_the_third_failure_at_a_step_ends_the_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    error = Failure(1, "ended with an error: ValueError: no")
    assert train(run, monkeypatch, (4, KILLED), (7, error), (7, error), (6, error)) == 1
    *notices, last = told(run)
    assert len(notices) == 3
    assert last == (
        "The training failed 3 times and did not get beyond step 7: "
        "process 1 ended with an error: ValueError: no."
    )
    failed = run.history().ended
    assert isinstance(failed, RunFailed) and failed.hint is not None and "{resume owl}" in failed.hint


def test_failures_before_the_first_step_end_it_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(run, monkeypatch, *[(0, KILLED)] * 3) == 1
    *notices, last = told(run)
    assert notices[0].startswith("Process 1 was killed by SIGKILL, before the first step.")
    assert "failed 3 times and did not get beyond step 0" in last


def test_restarts_that_gain_steps_are_made_up_to_a_limit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = [(number, KILLED) for number in range(1, MAX_RESTARTS + 2)]
    assert train(run, monkeypatch, *attempts) == 1
    assert len(told(run)) == MAX_RESTARTS + 1
    assert told(run)[-1].startswith(
        "The training was started again 30 times, and failed once more: process 1"
    )


def test_after_a_signal_nothing_is_started_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(run, monkeypatch, (4, KILLED), coming=[15]) == 1
    assert told(run) == [
        "A process failed while the training was to be paused: process 1 was killed by SIGKILL."
    ]


@pytest.mark.parametrize("end", [paused(4), finished(4)], ids=["paused", "finished"])
@pytest.mark.parametrize("signal_came", [False, True])
def test_a_process_that_fails_after_the_end_changes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, end: Event, signal_came: bool
) -> None:
    record = Run.record
    monkeypatch.setattr(Run, "record", lambda run, events: record(run, [*events, end]))
    assert train(run, monkeypatch, (4, KILLED), coming=[15] * signal_came) == 0
    assert told(run) == []


def test_a_process_that_is_killed_after_it_told_its_error_changes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, failed = Run.record, RunFailed(kind="StorageError", message="The disk is full.")
    monkeypatch.setattr(Run, "record", lambda run, events: record(run, [*events, failed]))
    assert train(run, monkeypatch, (4, KILLED)) == 1
    assert told(run) == ["The disk is full."]


def test_a_signal_that_ends_the_processes_is_a_pause(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in run.record([finished()]):
        pass
    assert train(run, monkeypatch, (0, KILLED), (0, Stopped())) == 0
    *_, notice, last = run.events()
    assert isinstance(notice, NoticeGiven) and isinstance(last, RunPaused) and last.step == 0


def test_a_signal_that_comes_before_the_processes_is_a_pause(
    run: Run, monkeypatch: pytest.MonkeyPatch, signals: list[int]
) -> None:
    signals.append(15)
    monkeypatch.setattr(restarts, "LocalProcesses", None)
    assert train_in_local_processes(run, ["rlm"], 2, {}) == 0
    assert [type(event) for event in run.events()] == [RunPaused]


def test_an_end_of_an_earlier_training_does_not_count(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in run.record([step(4), paused(4)]):
        pass
    assert train(run, monkeypatch, (0, KILLED), (0, 0)) == 0
    assert [one[:30] for one in told(run)] == ["Process 1 was killed by SIGKIL"]


def test_the_exit_code_of_process_0_is_passed_on(run: Run, tmp_path: Path) -> None:
    script = "import os, sys; sys.exit(2 if os.environ['RANK'] == '0' else 75)"
    assert train_in_local_processes(run, [sys.executable, "-I", "-S", "-c", script], 2, os.environ) == 2
    assert told(run) == []


def test_processes_that_cannot_be_started(run: Run, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the processes"):
        train_in_local_processes(run, [str(tmp_path / "nothing")], 2, os.environ)
