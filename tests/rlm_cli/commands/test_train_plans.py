"""`rlm train-plans`: what it answers to what is filled in, and when it leaves a question."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.cost.estimate import Estimate
from models.cost.number_format import NumberFormat
from models.planning import fit_to_machine
from rlm_cli.commands import train_plans as module
from rlm_cli.commands.train_plans import train_plans

TEXT = "The owl counted the mice by the old mill. " * 200


class Stopped(Exception):
    """The process would have ended here."""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`ask([{...}, ...])`: the answers to these questions, one after another."""
    monkeypatch.chdir(tmp_path)
    counted = Estimate(1, 1, 1, 1.0, NumberFormat("float32", ""))
    monkeypatch.setattr(fit_to_machine, "expected_estimate", lambda *_: counted)
    (tmp_path / "owl.txt").write_text(TEXT, encoding="utf-8")

    def run(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        waiting = iter(questions)

        class OneByOne:
            has_newer = False

            def take(self) -> dict[str, Any]:
                try:
                    return next(waiting)
                except StopIteration:
                    raise Stopped from None

        monkeypatch.setattr(module, "_Newest", OneByOne)
        with pytest.raises(Stopped):
            train_plans()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def kinds(answers: list[dict[str, Any]]) -> list[str]:
    return [kind for answer in answers for kind in answer if kind not in ("id", "hint", "field", "notices")]


def test_a_plan_is_drafted_and_then_made(ask) -> None:
    answers = ask([{"id": 7, "arguments": ["--fresh", "--set", "training.minutes=2", "owl.txt"]}])
    assert kinds(answers) == ["progress", "preview", "draft", "plan"]
    assert {answer["id"] for answer in answers} == {7}
    assert dict(answers[-1]["plan"])["text"].startswith("owl: 8,400 characters")
    assert dict(answers[-2]["draft"])["length"] == "2 minutes at most"
    assert any("8,400" in notice for notice in answers[-1]["notices"])
    assert answers[1]["preview"]["repeated_share"] == 0.0  # one line


def test_a_text_is_read_once_until_it_changes(ask, tmp_path: Path) -> None:
    question = {"id": 1, "arguments": ["owl.txt"], "text_only": True}
    assert kinds(ask([question, question])) == ["progress", "preview", "preview"]

    def changed() -> Iterator[dict[str, Any]]:
        yield question
        (tmp_path / "owl.txt").write_text("Another. " * 100, encoding="utf-8")
        yield question

    answers = ask(changed())
    assert kinds(answers) == ["progress", "preview"] * 2 and answers[-1]["preview"]["characters"] == 900


@pytest.mark.parametrize(
    ("words", "field", "said"),
    [
        (["none.txt"], "paths", "no file or folder"),
        (["empty.txt"], "paths", "empty"),
        (["binary.txt"], "paths", "binary"),
        (["short.txt"], None, "too short"),
        (["owl.txt", "--set", "model.d_model=9"], "model.d_model", "does not divide"),
        (["owl.txt", "--set", "model.nonsense=9"], "model.nonsense", "no setting"),
        (["owl.txt", "--set", "training.device=cuda:99"], "training.device", "no device"),
        (["owl.txt", "--continue", "hen"], None, "no run 'hen'"),
        (["owl.txt", "--name", "taken"], "name", "already a run"),
        (["owl.txt", "--continue", "taken", "--replay", "7"], "replay", "replay is 7; it must be"),
        (["owl.txt", "--nonsense"], None, "--nonsense"),
    ],
)  # fmt: skip
def test_why_there_is_no_plan_is_told_with_its_field(
    ask, tmp_path: Path, words: list[str], field: str | None, said: str
) -> None:
    from models.runs.run import Run
    from tests.models.runs.example_config import WITH_TEXT

    Run.create("taken", tmp_path / "runs").save_config(WITH_TEXT)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "short.txt").write_text("Too short, I fear.", encoding="utf-8")
    answer = ask([{"id": 1, "arguments": words}])[-1]
    assert said in answer["error"] and answer["field"] == field


def test_a_newer_line_ends_the_work_on_an_older_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left: list[int] = []

    class Planner:
        def answers(self, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
            try:
                for number in range(1000):
                    yield {"number": number} if question["id"] == 3 else {}
                    if question["id"] == 3:
                        raise Stopped
            finally:
                left.append(question["id"])

    lines = "".join(json.dumps({"id": number, "arguments": []}) + "\n" for number in (1, 2, 3))
    monkeypatch.setattr(module, "_Planner", Planner)
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    monkeypatch.setattr(module.os, "_exit", lambda code: None)
    with pytest.raises(Stopped):
        train_plans()
    assert left[-1] == 3 and capsys.readouterr().out == '{"id": 3, "number": 0}\n'


def test_the_end_of_the_input_ends_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlm_cli", "train-plans"],
        cwd=Path(__file__).resolve().parents[3], input=b"", capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
