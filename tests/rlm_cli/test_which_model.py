"""Whether a text is for a model that is there: said, or asked on a terminal, never guessed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.run import Run
from models.run_listing import list_runs
from rlm_cli import which_model
from rlm_cli.app import main

TEXT = "the owl sees the fox, the fox hears the hen.\n" * 40
SMALL = "--d-model 16 --heads 2 --context 16 --steps 2 --set training.batch_size=2 --threads 1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "meadow.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "river.txt").write_text(TEXT.replace("hen", "bee"), encoding="utf-8")
    assert main(f"train meadow.txt --quiet --name owl {SMALL}".split()) == 0
    return tmp_path


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[str]:
    """There is a person, who answers so. Gives the questions put to them."""
    left: Iterator[str | None] = iter(answers)
    questions: list[str] = []

    def ask(output: Any, question: str) -> str | None:
        questions.append(question)
        return next(left)

    monkeypatch.setattr(which_model, "may_ask", lambda: True)
    monkeypatch.setattr("rlm_cli.output.Output.ask", ask)
    return questions


def names(folder: Path) -> set[str]:
    return {run.name for run in list_runs(folder / "runs")}


def knows(folder: Path) -> list[str]:
    return [entry["name"] for entry in Run.open("owl", folder / "runs").read_json("datasets.json") or []]


def test_without_a_terminal_it_is_refused_and_nothing_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Run.open("owl", folder / "runs").read_config()
    assert main(["train", "river.txt", "--steps", "2"]) == 2
    said = capsys.readouterr().err
    assert "owl" in said and "--continue owl" in said and "--fresh" in said
    assert names(folder) == {"owl"} and Run.open("owl", folder / "runs").read_config() == before


def test_fresh_and_continue_say_it(folder: Path) -> None:
    assert (
        main(
            ["train", "river.txt", "--fresh", "--quiet", "--steps", "2", "--threads", "1", "--context", "16"]
        )
        == 0
    )
    assert names(folder) == {"owl", "river"}
    assert (
        main(
            ["train", "river.txt", "--fresh", "--quiet", "--steps", "2", "--threads", "1", "--context", "16"]
        )
        == 0
    )
    assert names(folder) == {"owl", "river", "river-2"}, "nothing is ever overwritten"
    assert main(["train", "river.txt", "--continue", "owl", "--quiet", "--steps", "2"]) == 0
    assert knows(folder) == ["meadow", "river"]


def test_both_at_once_are_a_mistake(folder: Path) -> None:
    assert main(["train", "river.txt", "--continue", "owl", "--fresh"]) == 2


def test_a_name_or_a_shape_says_that_it_is_a_new_model(folder: Path) -> None:
    assert main(f"train river.txt --quiet {SMALL}".split()) == 0
    assert (
        main(
            [
                "train",
                "river.txt",
                "--name",
                "other",
                "--quiet",
                "--steps",
                "2",
                "--threads",
                "1",
                "--context",
                "16",
            ]
        )
        == 0
    )
    assert names(folder) == {"owl", "river", "other"}


def test_on_a_terminal_it_asks_and_does_what_is_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answering(monkeypatch, "maybe", "1")
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    assert len(questions) == 2 and "river" in questions[0]
    shown = capsys.readouterr().err
    assert "owl" in shown and "meadow" in shown and "looped" in shown
    assert knows(folder) == ["meadow", "river"]


def test_n_is_a_new_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "n")
    assert main(["train", "river.txt", "--steps", "2", "--threads", "1"]) == 0
    assert names(folder) == {"owl", "river"} and knows(folder) == ["meadow"]


@pytest.mark.parametrize("nothing", ["", None])
def test_nothing_said_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, nothing: str | None
) -> None:
    answering(monkeypatch, nothing)
    assert main(["train", "river.txt", "--steps", "2"]) == 0
    assert names(folder) == {"owl"} and knows(folder) == ["meadow"]


def test_json_asks_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    assert main(["train", "river.txt", "--steps", "2", "--json"]) == 2


def test_show_tells_what_is_known_of_each_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "river.txt", "--continue", "owl", "--quiet", "--steps", "2"]) == 0
    capsys.readouterr()
    assert main(["show", "owl", "--json"]) == 0
    datasets = json.loads(capsys.readouterr().out)["datasets"]
    assert [entry["name"] for entry in datasets] == ["meadow", "river"]
    assert all(entry["loss_when_learned"] > 0 and entry["loss_now"] > 0 for entry in datasets)
