"""What an earlier version of rlm saved is listed, shown, talked to and trained on by this one.

How the runs came about stands beside them, in tests/fixtures/runs_of_earlier_versions/README.md.
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
LEARNED = "tests/fixtures/runs_of_earlier_versions/fables.txt"
"""Where both runs say their text is."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs, which know where a copy of their text is; nothing of them is in the cache."""
    shutil.copytree(SAVED / "before_second_texts", tmp_path / "runs")
    shutil.copy(SAVED / "fables.txt", tmp_path)
    for path in tmp_path.glob("runs/*/config.json"):
        content = path.read_text(encoding="utf-8")
        assert content.count(LEARNED) == 1
        path.write_text(content.replace(LEARNED, (tmp_path / "fables.txt").as_posix()), encoding="utf-8")
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "runs"


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def written_by(name: str, capsys: pytest.CaptureFixture[str]) -> int:
    """How many tokens a run writes after a prompt, of five that it may."""
    few = ["-p", "The heron", "--max-tokens", "5", "--temp", "0", "--json"]
    assert main(["generate", name, *few]) == 0
    (report,) = lines_of(capsys)
    return int(report["results"][0]["tokens"])


def saved(name: str) -> Any:
    return json.loads((SAVED / "before_second_texts" / name).read_text(encoding="utf-8"))


def test_the_runs_are_of_the_version_they_say() -> None:
    for name in ("finished", "paused"):
        assert isinstance(saved(f"{name}/datasets.json"), list)
    assert "validation_loss" in saved("finished/datasets.json")[0]
    assert "format_version" not in saved("finished/evaluation.json")


def test_they_are_listed_and_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_they_write_and_talk(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < written_by("finished", capsys) <= 5
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Who goes there?")))
    assert main(["chat", "finished", "--max-tokens", "5", "--temp", "0"]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", ["finished", "paused"])
def test_they_train_on_from_their_checkpoint(
    runs: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (checkpoint,) = (runs / name / "checkpoints").glob("step_*")
    step = int(checkpoint.name.removeprefix("step_"))
    assert main(["resume", name, "--steps", "3", "--json"]) == 0
    told = lines_of(capsys)
    (started,) = (event for event in told if event["event"] == "run_started")
    assert started["start_step"] == step
    assert (told[-1]["event"], told[-1]["step"]) == ("run_finished", step + 3)
    on_disk = json.loads((runs / name / "datasets.json").read_text(encoding="utf-8"))
    assert on_disk["format_version"] == CURRENT["datasets.json"]
    (before,) = saved(f"{name}/datasets.json")
    (after,) = on_disk["datasets"]
    before.pop("validation_loss", None)
    assert after.items() >= (before | {"steps": step + 3, "loss_now": told[-1]["validation_loss"]}).items()
    assert after["loss_when_learned"] > 0 and after["tokens"] > 0
    assert 0 < written_by(name, capsys) <= 5


def test_they_learn_a_second_text(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tides.txt").write_text(
        "".join(f"The tide was {n * 7 % 31} feet = high. " for n in range(300))
    )
    before = saved("finished/datasets.json")[0]
    told = ["train", str(tmp_path / "tides.txt"), "--continue", "finished", "--steps", "3", "--json"]
    assert main(told) == 0
    assert lines_of(capsys)[-1]["event"] == "run_finished"
    assert main(["show", "finished", "--json"]) == 0
    fables, tides = lines_of(capsys)[0]["datasets"]
    assert (fables["name"], fables["steps"], fables["loss_when_learned"]) == (
        "fables", before["steps"], before["validation_loss"],
    )  # fmt: skip
    assert fables["loss_now"] > 0 and tides["loss_now"] == tides["loss_when_learned"] > 0
