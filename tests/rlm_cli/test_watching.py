"""Watching a training of another process, and starting one: what is shown, and how it ends."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.errors import RunBusyError
from models.runs import control_requests, live_progress
from models.runs.event_json import to_json
from models.runs.event_log import LineAppender, append_event
from models.runs.events import Event, NoticeGiven, PreparationAdvanced, RunFailed
from models.runs.run import Run
from rlm_cli import watching
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from rlm_cli.output import Form, Output
from tests.models.runs.example_config import CREATED
from tests.models.runs.example_events import evaluation, finished, paused, started, step

DISK_FULL = RunFailed(kind="StorageError", message="The disk is full.", hint="Look: {doctor}")
DIVERGED = RunFailed(kind="DivergedError", message="Training diverged.")

REFUSED = "error: Run 'owl' is finished.\nGo on with it: rlm resume owl --minutes 5"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path))
    monkeypatch.setattr(watching, "_POLL_S", 0.01)
    monkeypatch.setattr(watching, "_LOCK_PATIENCE_S", 0.1)
    made = Run.create("owl", tmp_path)
    made.save_config(CREATED)
    return made


def write(run: Run, *events: Event) -> None:
    with LineAppender(run.events_path) as log:
        for event in events:
            append_event(log, event)


@contextmanager
def training(
    run: Run, before: Sequence[Event], later: Sequence[Event], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A training that has written some events, and writes the others once somebody watches."""
    watched, locked = threading.Event(), threading.Event()
    show_until = watching._show_until

    def noted(*arguments: object, **more: object) -> bool:
        watched.set()
        return show_until(*arguments, **more)  # type: ignore[arg-type]

    def train() -> None:
        with run.lock():
            write(run, *before)
            locked.set()
            watched.wait(60)
            write(run, *later)

    monkeypatch.setattr(watching, "_show_until", noted)
    thread = threading.Thread(target=train)
    thread.start()
    locked.wait(60)
    yield
    thread.join()


def watched(run: Run, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    code = main(["watch", *flags])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize(
    ("ended", "code", "said"),
    [
        (finished(), ExitCode.OK, ["validation loss", "Talk to it:  rlm chat owl"]),
        (paused(7), ExitCode.OK, ["Paused at step 7", "Continue:  rlm resume owl"]),
        (DISK_FULL, ExitCode.FAILED, ["error: The disk is full.", "Look: rlm doctor", "rlm resume owl"]),
        (DIVERGED, ExitCode.DIVERGED, ["error: Training diverged.", "rlm resume owl"]),
        (step(7), ExitCode.FAILED, ["ended without a word", "rlm resume owl"]),
    ],
)  # fmt: skip
def test_a_training_that_has_ended_shows_its_end(
    run: Run, ended: Event, code: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, started(), step(6), ended)
    found, text = watched(run, capsys, "owl")
    assert found == code
    assert all(words in text for words in said), text


def test_a_run_that_never_trained_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert watched(run, capsys, "owl")[0] == ExitCode.FAILED
    code, text = watched(run, capsys)
    assert code == ExitCode.FAILED and "is training" in text


def test_a_training_is_shown_until_it_ends(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [started(), NoticeGiven(message="long ago"), step(1), step(2), evaluation(2.25, 2)]
    later = [NoticeGiven(message="just now"), step(100, 1.75), finished()]
    with training(run, before, later, monkeypatch):
        code, text = watched(run, capsys)
    assert code == ExitCode.OK
    assert text.index("Watching owl") < text.index("2.25") < text.index("step 2/") < text.index("just now")
    assert "step 100/100" in text and "validation loss" in text and "long ago" not in text


def test_a_training_that_ends_just_when_it_is_watched_is_not_called_dead(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, started(), step(99))
    coming = [finished()]

    def is_busy(run: Run) -> bool:
        if coming:
            write(run, coming.pop())
        return False

    monkeypatch.setattr(Run, "is_busy", is_busy)
    code, text = watched(run, capsys, "owl")
    assert code == ExitCode.OK and "validation loss" in text


def test_json_has_every_event(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, later = [started(), step(1)], [step(2), paused(2)]
    with training(run, before, later, monkeypatch):
        assert main(["watch", "--json"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines == [to_json(event) for event in (*before, *later)]
    assert main(["watch", "owl", "--json"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == lines


def test_what_a_training_prepares_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizing = PreparationAdvanced(stage="tokenizing", done=1, total=4)
    looks = 0

    def read_progress(folder: Path) -> Event:
        nonlocal looks
        looks += 1
        if looks == 4:
            raise KeyboardInterrupt
        return tokenizing

    monkeypatch.setattr("models.runs.follow.read_progress", read_progress)
    with run.lock():
        _, text = watched(run, capsys)
    assert text.count("tokenizing") == 1


def test_a_training_that_dies_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with training(run, [started(), step(1)], [], monkeypatch):
        code, text = watched(run, capsys)
    assert code == ExitCode.FAILED and "ended without a word" in text and "rlm resume owl" in text


def test_an_error_that_the_log_could_not_take_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write(run, started(), step(1))
    (run.path / watching.OUTPUT_FILE).write_text("error: The disk is full.\nFree some space.\n")
    code, text = watched(run, capsys, "owl")
    assert code == ExitCode.FAILED and "The disk is full." in text and "without a word" not in text


def test_a_training_that_dies_while_it_prepares_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, started(), step(1), paused(1))
    monkeypatch.setattr(live_progress, "INTERVAL_S", 0.0)
    live_progress.ProgressFile(run.path).note(PreparationAdvanced(stage="compiling", done=1, total=4))
    code, text = watched(run, capsys, "owl")
    assert code == ExitCode.FAILED and "ended without a word" in text


def test_a_paused_run_that_is_only_copied_is_paused(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with training(run, [started(), step(1), paused(1)], [], monkeypatch):
        code, text = watched(run, capsys)
    assert code == ExitCode.OK and "Paused at step 1" in text


def test_ctrl_c_leaves_the_training_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rlm_cli.progress.PlainLines.show", lambda view, event: interrupt(event))
    with run.lock():
        write(run, started(), step(1))
        code, text = watched(run, capsys)
        assert run.is_busy()
    assert code == ExitCode.PAUSED
    assert "owl goes on training." in text and "rlm watch owl" in text and "rlm pause owl" in text


def test_a_request_made_while_a_detached_training_starts_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def train(run: Run, *_: object) -> ExitCode:
        with run.lock():
            taken.extend(control_requests.take(run))
        return ExitCode.OK

    monkeypatch.setattr("rlm_cli.training_session.follow_training", train)
    with run.hold():  # as `rlm resume -d` does before it starts the other process
        assert main(["pause", "owl"]) == ExitCode.OK
    assert main(["train-run", str(run.path)]) == ExitCode.OK
    assert taken == ["pause"]


@pytest.fixture
def detached(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[str]]]:
    """`detached(events, printed, code, form)`: the exit code of `train_detached` with a child that does this,
    and the arguments of the child."""

    def train(
        events: list[Event], printed: str, code: int | None, form: Form = Form.HUMAN
    ) -> tuple[int, list[str]]:
        given: list[str] = []

        def start(arguments: Sequence[str], log: Path, inherited: Sequence[int], *, is_attached: bool) -> int:
            assert not is_attached
            assert run.is_busy(), "it is reserved while the other process starts"
            with pytest.raises(RunBusyError), run.lock():
                pass
            with run.hold(reserved=True), run.lock():
                pass
            given.extend(arguments)
            with LineAppender(log) as lines:
                lines.append(printed)
            write(run, *events)
            return 123

        monkeypatch.setattr(watching, "start_detached", start)
        monkeypatch.setattr(watching, "exit_code", lambda process: code)
        return watching.train_detached(run, Output(form), 5.0), given

    return train


Detached = Callable[..., tuple[int, list[str]]]


def test_a_detached_training_that_starts_is_named(
    run: Run, detached: Detached, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, started(), paused(1))
    events = [NoticeGiven(message="assumed"), started(1), step(2)]
    code, given = detached(events, "", None)
    assert code == ExitCode.OK
    assert given[:-1] == [
        *("train-run", str(run.path), "--program", "rlm", "--began-at", "5.0", "--reservation")
    ]
    out, err = capsys.readouterr()
    assert out == "owl\n" and "assumed" in err and "Follow it:  rlm watch owl" in err
    assert detached(events, "", None, Form.QUIET)[0] == ExitCode.OK
    assert capsys.readouterr() == ("owl\n", "")
    assert detached(events, "", None, Form.JSON)[0] == ExitCode.OK
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == [
        "notice_given",
        "run_started",
    ]


@pytest.mark.parametrize(
    ("events", "printed", "code", "said"),
    [
        ([DISK_FULL], "error: The disk is full.", 1, "error: The disk is full.\nLook: rlm doctor"),
        (
            [],
            "error: Run 'owl' is finished.\nGo on: rlm resume",
            2,
            "error: Run 'owl' is finished.\nGo on: rlm resume",
        ),
        (
            [],
            "warning: Slow disk.\nerror: The disk is full.\nFree some.",
            1,
            "error: The disk is full.\nFree some.",
        ),
        ([], "", -9, "error: The process that trained 'owl' ended without a word"),
        ([paused(0)], "", 130, "Paused"),
        ([], "", 143, "Paused, and saved.\nContinue:  rlm resume owl"),
        ([], "", -15, "Paused, and saved.\nContinue:  rlm resume owl"),
    ],
)
def test_a_detached_training_that_does_not_start_says_why(
    run: Run,
    detached: Detached,
    events: list[Event],
    printed: str,
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(run, started(), paused(1))
    (run.path / watching.OUTPUT_FILE).write_text("error: of an earlier training\n")
    expected = ExitCode.PAUSED if said.startswith("Paused") else code if code > 0 else ExitCode.FAILED
    assert detached(events, printed, code)[0] == expected
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(said) and "earlier" not in err
