"""Runs of earlier versions of rlm can be listed, shown, used and trained.

tests/fixtures/runs_of_earlier_versions/README.md describes how they were made.
"""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from models.runs.migrations import CURRENT
from rlm_cli.app import main

SAVED = Path(__file__).resolve().parents[1] / "fixtures" / "runs_of_earlier_versions"
FOLDER = "tests/fixtures/runs_of_earlier_versions"
"""The folder of the texts in the paths of the runs."""


def copied_runs(version: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs of a version, with paths to a copy of their texts. The cache is empty."""
    shutil.copytree(SAVED / version, folder / "runs")
    for text in SAVED.glob("*.txt"):
        shutil.copy(text, folder)
    for path in (*folder.glob("runs/*/config.json"), *folder.glob("runs/*/datasets.json")):
        content = path.read_text(encoding="utf-8")
        path.write_text(content.replace(FOLDER, folder.as_posix()), encoding="utf-8")
    monkeypatch.setenv("RLM_RUNS_DIR", str(folder / "runs"))
    monkeypatch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
    return folder / "runs"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs of the first version."""
    return copied_runs("before_second_texts", tmp_path, monkeypatch)


@pytest.fixture
def later_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs of the version in which settings and files had other names."""
    return copied_runs("before_plain_names", tmp_path, monkeypatch)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def count_generated_tokens(name: str, capsys: pytest.CaptureFixture[str]) -> int:
    """The number of tokens a run generates, at most five."""
    few = ["-p", "The heron", "--max-tokens", "5", "--temp", "0", "--json"]
    assert main(["generate", name, *few]) == 0
    (report,) = lines_of(capsys)
    return int(report["results"][0]["tokens"])


def saved(name: str, version: str = "before_second_texts") -> Any:
    return json.loads((SAVED / version / name).read_text(encoding="utf-8"))


def test_fixtures_have_the_oldest_format() -> None:
    for name in ("finished", "paused"):
        assert isinstance(saved(f"{name}/datasets.json"), list)
    assert "validation_loss" in saved("finished/datasets.json")[0]
    assert "format_version" not in saved("finished/evaluation.json")


def test_first_version_runs_are_listed_and_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--json"]) == 0
    listed = {run["name"]: run for run in lines_of(capsys)[0]}
    assert {name: run["status"] for name, run in listed.items()} == {
        "finished": "finished",
        "paused": "paused",
    }
    assert all(run["problem"] is None and run["architecture"] == "looped" for run in listed.values())
    assert main(["show", "finished", "--json"]) == 0
    (report,) = lines_of(capsys)
    loss = saved("finished/datasets.json")[0]["validation_loss"]
    assert report["validation_loss"] == saved("finished/evaluation.json")["validation_loss"] == loss
    (dataset,) = report["datasets"]
    assert dataset["loss_when_learned"] == dataset["loss_now"] == loss
    assert main(["show", "paused"]) == 0
    assert "fables" in capsys.readouterr().out


def test_first_version_runs_generate_and_chat(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < count_generated_tokens("finished", capsys) <= 5
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Who goes there?")))
    assert main(["chat", "finished", "--max-tokens", "5", "--temp", "0"]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", ["finished", "paused"])
def test_first_version_runs_resume_from_their_checkpoint(
    runs: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (checkpoint,) = (runs / name / "checkpoints").glob("step_*")
    step = int(checkpoint.name.removeprefix("step_"))
    assert main(["resume", name, "--steps", "3", "--json"]) == 0
    trained_events = lines_of(capsys)
    (started,) = (event for event in trained_events if event["event"] == "run_started")
    assert started["start_step"] == step
    assert (trained_events[-1]["event"], trained_events[-1]["step"]) == ("run_finished", step + 3)
    on_disk = json.loads((runs / name / "datasets.json").read_text(encoding="utf-8"))
    assert on_disk["format_version"] == CURRENT["datasets.json"]
    (before,) = saved(f"{name}/datasets.json")
    (after,) = on_disk["datasets"]
    before.pop("validation_loss", None)
    assert (
        after.items()
        >= (before | {"steps": step + 3, "loss_now": trained_events[-1]["validation_loss"]}).items()
    )
    assert after["loss_when_learned"] > 0 and after["tokens"] > 0
    assert 0 < count_generated_tokens(name, capsys) <= 5


def test_first_version_runs_learn_a_second_text(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tides.txt").write_text(
        "".join(f"The tide was {n * 7 % 31} feet = high. " for n in range(300))
    )
    before = saved("finished/datasets.json")[0]
    command = ["train", str(tmp_path / "tides.txt"), "--continue", "finished", "--steps", "3", "--json"]
    assert main(command) == 0
    assert lines_of(capsys)[-1]["event"] == "run_finished"
    assert main(["show", "finished", "--json"]) == 0
    fables, tides = lines_of(capsys)[0]["datasets"]
    assert (fables["name"], fables["steps"], fables["loss_when_learned"]) == (
        "fables", before["steps"], before["validation_loss"],
    )  # fmt: skip
    assert fables["loss_now"] > 0 and tides["loss_now"] == tides["loss_when_learned"] > 0


def test_later_fixtures_have_the_older_format() -> None:
    for name in ("two_texts", "sudoku"):
        config = saved(f"{name}/config.json", "before_plain_names")
        assert config["format_version"] == 1 and config["opened"] is True and "measured" in config
        assert config["training"]["schedule"] == "linear" and "late_recursion" in config["training"]
    assert "from" in saved("two_texts/datasets.json", "before_plain_names")["datasets"][1]["grown"][0]


def test_a_run_of_two_texts_is_shown_and_writes(later_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--json"]) == 0
    listed = {run["name"]: run for run in lines_of(capsys)[0]}
    assert {name: (run["status"], run["problem"]) for name, run in listed.items()} == {
        "two_texts": ("finished", None),
        "sudoku": ("finished", None),
    }
    assert main(["show", "two_texts", "--json"]) == 0
    (report,) = lines_of(capsys)
    fables, tides = report["datasets"]
    assert (fables["name"], tides["name"], tides["grown"][0]["before"]) == ("fables", "tides", 66)
    evaluation = saved("two_texts/evaluation.json", "before_plain_names")
    assert evaluation.items() >= report["evaluation"].items() and report["evaluation"]["step"] == 8
    assert 0 < count_generated_tokens("two_texts", capsys) <= 5


def test_a_run_of_two_texts_trains_on(later_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "two_texts", "--steps", "3", "--json"]) == 0
    trained_events = lines_of(capsys)
    (started,) = (event for event in trained_events if event["event"] == "run_started")
    assert (started["start_step"], trained_events[-1]["event"], trained_events[-1]["step"]) == (
        8,
        "run_finished",
        11,
    )
    config = json.loads((later_runs / "two_texts" / "config.json").read_text(encoding="utf-8"))
    assert config["format_version"] == CURRENT["config.json"]
    assert not {"measured", "opened"} & config.keys()
    (checkpoint,) = (later_runs / "two_texts" / "checkpoints").glob("step_000011*")
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    assert state["format_version"] == CURRENT["state.json"]
    fables, tides = json.loads((later_runs / "two_texts" / "datasets.json").read_text())["datasets"]
    assert fables["loss_now"] > 0 and tides["steps"] == 11
    assert 0 < count_generated_tokens("two_texts", capsys) <= 5


def test_a_run_of_puzzles_solves_and_trains_on(later_runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    puzzle = "1.34" + "3412" + "21.3" + "4321"
    assert main(["solve", "sudoku", puzzle, "--json"]) == 0
    (before,) = lines_of(capsys)
    assert main(["resume", "sudoku", "--steps", "3", "--json"]) == 0
    trained_events = lines_of(capsys)
    (started,) = (event for event in trained_events if event["event"] == "run_started")
    assert (started["start_step"], trained_events[-1]["event"], trained_events[-1]["step"]) == (
        6,
        "run_finished",
        9,
    )
    assert main(["solve", "sudoku", puzzle, "--json"]) == 0
    (after,) = lines_of(capsys)
    assert before.keys() == after.keys()
