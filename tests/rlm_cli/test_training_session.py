"""Signals, the menu and a closed pipe, with a trainer that only counts."""

import io
import os
import pty
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.runs import events
from models.runs.evaluation import Evaluation
from models.runs.events import Event
from models.runs.history import History
from models.runs.run import Run
from models.runs.run_report import describe_run, summary_rows
from models.training.team import Team
from rlm_cli import interrupts, training_session
from rlm_cli.exit_codes import ExitCode
from rlm_cli.interrupts import Choice, Interrupts, ask_on_terminal
from rlm_cli.output import Form, Output
from rlm_cli.streams import OutputError
from rlm_cli.training_session import follow_training, show_progress, show_training
from tests.models.runs.example_config import CREATED

TOTAL = 30
FINISHED = events.RunFinished(
    run="owl", reason="steps", step=9, best_step=9, validation_loss=1.5, validation_loss_by_mode={},
    perplexity=4.5, bits_per_byte=2.1, parameters=1, tokens_seen=1, tokens_per_second=1.0, elapsed_s=1.0,
    path="runs/owl",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


class CountingTrainer:
    """Counts steps and checks its control between two events, like the real trainer."""

    def __init__(self) -> None:
        self.interrupted = False
        self.calls: list[str] = []
        self._request = ""

    def pause(self) -> None:
        self.calls.append("pause")
        self._request = "pause"

    def stop(self) -> None:
        self.calls.append("stop")
        self._request = "stop"

    @contextmanager
    def waiting(self) -> Iterator[None]:
        yield

    def go_on(self) -> None:
        self.calls.append("go on")
        self.interrupted = False

    def run(self, signals: dict[int, list[int]]) -> Iterator[Event]:
        """Yields an event per step; before step n it sends this process the signals of `signals[n]`."""
        for step in range(1, TOTAL + 1):
            for number in signals.get(step, ()):
                os.kill(os.getpid(), number)
            if self._request:
                reason = "paused" if self._request == "pause" else "stopped"
                yield events.NoticeGiven(message=f"{reason} before step {step}")
                return
            yield events.EvaluationAdvanced(step=step, done=step, total=TOTAL)
        yield events.NoticeGiven(message="all steps done")


def ending(
    trainer: CountingTrainer, signals: dict[int, list[int]], form: Form = Form.QUIET
) -> tuple[str, int]:
    last, code = show_training(trainer.run(signals), trainer, Output(form))
    assert isinstance(last, events.NoticeGiven)
    return last.message, code


def answers(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(training_session, "may_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_without_a_terminal_an_interrupt_pauses() -> None:
    assert ending(CountingTrainer(), {5: [signal.SIGINT]}) == ("paused before step 6", ExitCode.PAUSED)


@pytest.mark.parametrize(
    ("typed", "end"),
    [
        ("1\n", "paused before step 6"),
        ("2\n", "stopped before step 6"),
        ("3\n", "all steps done"),
        ("what?\n\n2\n", "stopped before step 6"),
        ("", "paused before step 6"),
    ],
)
def test_the_menu_decides(monkeypatch: pytest.MonkeyPatch, typed: str, end: str) -> None:
    answers(monkeypatch, typed)
    assert ending(CountingTrainer(), {5: [signal.SIGINT]})[0] == end


def test_after_going_on_the_next_interrupt_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "3\n3\n1\n")
    trainer = CountingTrainer()
    assert ending(trainer, {n: [signal.SIGINT] for n in (5, 9, 20)})[0] == "paused before step 21"
    assert trainer.calls == ["go on", "go on", "pause"]


def test_a_second_interrupt_before_the_menu_pauses_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "3\n")
    trainer = CountingTrainer()
    assert ending(trainer, {5: [signal.SIGINT, signal.SIGINT]})[0] == "paused before step 5"
    assert trainer.calls == ["pause"]


def test_a_second_interrupt_ends_a_training_that_does_not_get_to_pausing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interrupts, "GRACE_S", 0.01)
    ended = threading.Event()
    with Interrupts(CountingTrainer(), ended.set):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert ended.wait(60)  # no event comes meanwhile, as from a compiler


@pytest.mark.parametrize(("presses", "grace_s"), [(1, 0.0), (2, 60.0)])
def test_a_training_that_pauses_in_time_is_not_ended(
    monkeypatch: pytest.MonkeyPatch, presses: int, grace_s: float
) -> None:
    monkeypatch.setattr(interrupts, "GRACE_S", grace_s)
    ended = threading.Event()
    with Interrupts(CountingTrainer(), ended.set):
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
    assert not ended.is_set()


def test_an_interrupt_in_the_menu_pauses() -> None:
    trainer = CountingTrainer()

    def ask() -> Choice:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the question goes on after Ctrl-C")

    with Interrupts(trainer) as interrupts:
        interrupts.decide(ask)
    assert trainer.calls == ["pause"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, ExitCode.TERMINATED), (signal.SIGHUP, ExitCode.PAUSED)]
)
def test_system_signals_pause_without_a_menu(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, number: int, code: ExitCode
) -> None:
    answers(monkeypatch, "3\n")
    monkeypatch.setattr(training_session, "terminal_streams", list)  # ours has not gone
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, hang_up))
    assert ending(CountingTrainer(), {5: [number]}) == ("paused before step 5", code)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_ignored_from_outside_stays_ignored(number: int) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert ending(CountingTrainer(), {5: [number]})[0] == "all steps done"
    finally:
        signal.signal(number, before)


def test_signal_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    ending(CountingTrainer(), {})
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_broken_pipe_pauses_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = 0

    def write(text: str) -> None:
        nonlocal written
        written += 1
        if written > 3:
            raise OutputError(io.StringIO(), BrokenPipeError())

    monkeypatch.setattr("rlm_cli.progress.write", write)
    assert ending(CountingTrainer(), {}, Form.JSON) == ("paused before step 5", ExitCode.PIPE_CLOSED)
    assert "Nothing reads the output" in capsys.readouterr().err
    assert written == 4


@pytest.mark.parametrize(
    ("typed", "choice"),
    [("2\n", Choice.STOP), ("S\n", Choice.STOP), ("what\np\n", Choice.PAUSE), ("c\n", Choice.GO_ON)],
)
def test_the_menu_is_on_stderr_and_takes_numbers_and_letters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, choice: Choice
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert ask_on_terminal(Output(Form.JSON)) is choice
    out, err = capsys.readouterr()
    assert out == ""
    assert all(len(line) < 40 for line in err.splitlines())


def test_showing_progress_returns_what_the_generator_returns() -> None:
    def planning() -> Iterator[Event]:
        yield events.PreparationAdvanced(stage="reading", done=1, total=1)
        return "the plan"

    assert show_progress(planning(), Output(Form.QUIET)) == "the plan"


# Trains until it is paused, then writes the last message to a file.
CHILD = """
import sys, time
from models.runs import events
from rlm_cli.output import Output
from rlm_cli.streams import checked
from rlm_cli.training_session import show_training

sys.stdout, sys.stderr = checked(sys.stdout), checked(sys.stderr)

class Trainer:
    interrupted = paused = False
    def pause(self): self.paused = True
    def run(self):
        for step in range(1, 1000):
            time.sleep(0.02)
            yield events.EvaluationAdvanced(step=step, done=step, total=1000)
            if self.paused:
                yield events.NoticeGiven(message="saved")
                return

trainer, output = Trainer(), Output()
last, code = show_training(trainer.run(), trainer, output)
output.say("Paused.")
open(sys.argv[1], "w").write(last.message)
sys.exit(code)
"""


def test_a_terminal_that_is_closed_pauses_the_run(tmp_path: Path) -> None:
    end = tmp_path / "end"
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.environ["TERM"] = "xterm"
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # an ignored one would be inherited
        os.execv(sys.executable, [sys.executable, "-c", CHILD, str(end)])
    drawn = b""
    while b"evaluating" not in drawn:
        drawn += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert end.read_text() == "saved"
    assert os.waitstatus_to_exitcode(status) == ExitCode.PAUSED


@pytest.mark.parametrize(("shown", "is_told"), [(1.52, True), (1.50001, False)])
def test_the_loss_of_the_step_lines_is_told_where_it_differs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shown: float, is_told: bool
) -> None:
    history = History()
    history.add(
        events.EvaluationFinished(
            step=9, epoch=1.0, train_loss=1.0, validation_loss=shown, perplexity=4.5, bits_per_byte=2.1,
            best=True,
        )
    )  # fmt: skip
    training_session._show_result(FINISHED, history, Output(), Run(tmp_path / "owl"))
    assert ("1.5200, measured on a part" in capsys.readouterr().out) == is_told


@pytest.mark.parametrize(
    ("read", "sources", "told"),
    [
        (9216, None, "9,216 of 111,540 held-out tokens"),
        (111539, None, None),
        (111538, {"a": 1.0, "b": 2.0}, None),
        (111537, {"a": 1.0, "b": 2.0}, "111,537 of 111,540 held-out tokens"),
        (None, None, None),
    ],
)
def test_what_part_of_the_held_out_tokens_was_read_is_told(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    read: int | None,
    sources: dict[str, float] | None,
    told: str | None,
) -> None:
    run = Run.create("owl", tmp_path)
    run.save_config(CREATED)
    run.save_evaluation(
        Evaluation(
            step=9,
            after_steps=9,
            validation_loss=1.5,
            validation_loss_by_source=sources,
            validation_tokens=111540,
            tokens_read=read,
        )
    )
    training_session._show_result(FINISHED, History(), Output(), run)
    shown = capsys.readouterr().out
    assert ("held-out tokens" in shown) == (told is not None) and (told or "") in shown
    assert dict(summary_rows(describe_run(run))).get("measured on") == told


def test_after_a_pause_torchrun_does_not_start_the_training_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    paused = events.RunPaused(step=1, total_steps=2, path=str(run.path))
    monkeypatch.setattr("models.training.trainer.train", lambda *_: iter([paused]))
    assert follow_training(run, Output(Form.QUIET)) == ExitCode.PAUSED
    assert follow_training(run, Output(Form.QUIET), team=Team()) == ExitCode.OK
