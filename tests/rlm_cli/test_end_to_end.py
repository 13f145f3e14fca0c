"""The commands over the real core, with models that train in a second or two."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from tests.rlm_cli.trainings import TINY, UNMEASURED

HOSTILE = "\x1b]0;owned\x07 [bold red]x[/] \x9b31m"


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "rlm_cli", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until_step(process: "subprocess.Popen[str]", step: int) -> None:
    """Read JSON Lines until the training has got this far."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "step_finished" and event["step"] >= step:
            return
    raise AssertionError(process.stderr.read() if process.stderr else "no such step")


def test_train_list_show_generate_and_resume(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "book.txt", "--steps", "12", "--json", *TINY]) == 0
    end = lines_of(capsys)[-1]
    assert end["event"] == "run_finished"
    assert end["step"] == 12
    assert end["validation_loss"] > 0
    assert main(["ls", "--json"]) == 0
    (listed,) = lines_of(capsys)[0]
    assert (listed["name"], listed["status"], listed["step"]) == ("book", "finished", 12)
    assert listed["parameters"] == end["parameters"]
    assert main(["show", "--json"]) == 0
    (report,) = lines_of(capsys)
    assert report["checkpoints"]
    assert report["bytes"]["weights"] > 0
    assert main(["show"]) == 0
    out = capsys.readouterr().out
    for mode in end["validation_loss_by_mode"]:
        assert mode in out
    assert main(["generate", "-p", "The owl", "--max-tokens", "8", "--seed", "1"]) == 0
    assert capsys.readouterr().out.strip()
    for wrong in (["--temp", "-1"], ["--mode", "nonsense"]):
        assert main(["generate", "-p", "x", *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) <= 2
    assert main(["resume", "book", "--steps", "3", "--json"]) == 0
    assert lines_of(capsys)[-1]["step"] == 15


def test_dry_run_creates_no_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "book.txt", "--steps", "5", "--dry-run", "--detach", "--json", *TINY]) == 0
    plan = lines_of(capsys)[-1]
    assert plan
    assert not (home / "runs").exists()


def test_the_same_command_twice_makes_two_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["train", "book.txt", "--steps", "2", "--quiet", *TINY]) == 0
    assert sorted(path.name for path in (home / "runs").iterdir()) == ["book", "book-2"]
    assert main(["train", "book.txt", "--steps", "2", "--name", "book", *TINY]) == 2
    assert "already a run 'book'" in capsys.readouterr().err


class SignalAtStep(io.StringIO):
    """Keeps what is written, and sends a signal when a step is written as finished."""

    def __init__(self, number: signal.Signals, step: int) -> None:
        super().__init__()
        self.number, self.step = number, step

    def write(self, text: str) -> int:
        written = super().write(text)
        if '"step_finished"' in text and json.loads(text)["step"] == self.step:
            signal.raise_signal(self.number)
        return written


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_pauses_and_resume_finishes(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    with monkeypatch.context() as patch:
        out = SignalAtStep(number, 5)
        patch.setattr(sys, "stdout", out)
        assert main(["train", "book.txt", "--steps", "12", "--name", "owl", "--json", *TINY]) == code
    assert json.loads(out.getvalue().splitlines()[-1])["event"] == "run_paused"
    assert "resume owl" in capsys.readouterr().err
    assert main(["ls", "--json"]) == 0
    (listed,) = lines_of(capsys)[0]
    assert (listed["status"], listed["step"]) == ("paused", 5)
    assert main(["resume", "--json"]) == 0
    resumed = lines_of(capsys)
    assert [event["start_step"] for event in resumed if event["event"] == "run_started"] == [5]
    assert (resumed[-1]["event"], resumed[-1]["step"]) == ("run_finished", 12)


def test_a_second_trainer_is_refused_and_a_closed_pipe_pauses_the_first(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start("train", "book.txt", "--steps", "3000", "--name", "owl", "--json", *TINY, *UNMEASURED)
    until_step(process, 2)
    assert main(["resume", "owl"]) == 1
    assert str(process.pid) in capsys.readouterr().err
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == ExitCode.PIPE_CLOSED
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_a_created_model_is_a_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "tiny", "--preset", "hrm-4m", "--vocab-size", "87", "--json"]) == 0
    (made,) = lines_of(capsys)
    assert made["parameters"] == 3_980_290
    assert main(["ls", "--json"]) == 0
    (listed,) = lines_of(capsys)[0]
    assert (listed["name"], listed["status"]) == ("tiny", "created")
    assert main(["create", "tiny", "--preset", "hrm-4m", "--vocab-size", "87"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["train", "empty.txt"], 1),
        (["train", "one.txt"], 1),
        (["train", "same.txt"], 1),
        (["train", "binary.txt"], 1),
        (["train", "folder"], 1),
        (["train", "short.txt"], 1),
        (["train", "broken.jsonl"], 1),
        (["train", "bok.txt"], 2),
        (["train", "book.txt", "--preset", "hrm-4"], 2),
        (["train", "book.txt", "--arch", "hmr"], 2),
        (["train", "book.txt", "--minutes", "-1"], 2),
        (["train", "book.txt", "--steps", "0"], 2),
        (["train", "book.txt", "--set", "training.nonsense=1"], 2),
        (["train", "book.txt", "--device", "abacus"], 2),
        (["train", "book.txt", "--name", "../escape"], 2),
        (["train", "book.txt", "--d-model", "30", "--heads", "4"], 2),
        (["train", "book.txt", "--tokenizer", "broken.jsonl"], 1),
        (["create", "x", "--preset", "none", "--vocab-size", "8"], 2),
        (["resume", "none"], 2),
        (["show", "none"], 2),
        (["show", "folder"], 1),
        (["generate", "folder", "-p", "x"], 1),
        (["generate", "-p", "x", "--mode", "nonsense"], 1),  # there is no run at all
    ],
)
def test_invalid_input_gives_one_line_and_a_hint(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    (home / "folder").mkdir()
    for name, content in {
        "empty.txt": b"", "one.txt": b"a", "same.txt": b"a" * 5000, "binary.txt": bytes(range(256)) * 40,
        "short.txt": b"Just a few words.", "broken.jsonl": b"{\n" * 9,
    }.items():  # fmt: skip
        (home / name).write_bytes(content)
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert any(line.startswith("error: ") for line in err.splitlines()[-2:])
    assert not (home / "runs").exists() or not list((home / "runs").iterdir())


def test_text_with_escape_sequences_trains_and_is_shown_safely(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "hostile\x1b[31m.txt"
    (home / name).write_text((HOSTILE + "\n") * 300)
    assert main(["train", name, "--steps", "4", *TINY]) == 0
    assert main(["ls"]) == main(["show"]) == 0
    out, err = capsys.readouterr()
    assert not set(out + err) & {"\x1b", "\x07", "\x9b"}
