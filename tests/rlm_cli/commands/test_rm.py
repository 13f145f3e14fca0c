"""`rlm rm`, `rlm copy` and `rlm rename`: what they ask, print and refuse."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import typer

from models.runs.run import Run
from rlm_cli.app import main
from rlm_cli.commands import rm as rm_command
from rlm_cli.completion import complete_runs
from tests.models.runs.example_config import CREATED


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path / "runs"))
    for name in ("owl", "hawk"):
        Run.create(name, tmp_path / "runs").save_config(CREATED)
    return tmp_path / "runs"


def left(runs: Path) -> list[str]:
    return sorted(path.name for path in runs.iterdir())


def test_a_script_says_yes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rm", "owl"]) == 2
    assert "--yes" in capsys.readouterr().err and left(runs) == ["hawk", "owl"]
    assert main(["rm", "owl", "owl", "hawk", "--yes", "--json"]) == 0
    removed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in removed] == ["owl", "hawk"] and removed[0]["size_bytes"] > 0
    assert left(runs) == []


def test_what_a_killed_removal_left_goes_when_it_is_typed_again(runs: Path) -> None:
    left_over = runs / ".tmp-kite-1-ab"
    left_over.mkdir()
    os.utime(left_over, (1.0, 1.0))
    assert main(["rm", "kite", "--yes"]) == 2
    assert left(runs) == ["hawk", "owl"]


@pytest.mark.usefixtures("impatient")
def test_nothing_goes_where_one_name_is_wrong_or_one_run_is_busy(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rm", "owl", "none", "--yes"]) == 2
    with Run(runs / "hawk").lock():
        assert main(["rm", "owl", "hawk", "--yes"]) == 1
    assert left(runs) == ["hawk", "owl"]


@pytest.mark.parametrize(("answer", "stays"), [("n\n", True), ("\n", True), ("", True), ("y\n", False)])
def test_a_person_sees_what_goes_and_is_asked(
    runs: Path,
    answer: str,
    stays: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rm_command, "can_ask_user", lambda output: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["rm", "owl"]) == 0
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("owl", "created", "size", "best loss", "for good?"))
    assert (runs / "owl").exists() == stays


def test_one_version_is_removed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owl = Run(runs / "owl")
    owl.save_config(replace(CREATED, revision=1))
    version = Run.create("before-tide", owl.versions_path)
    version.save_config(CREATED)
    assert main(["show", "owl"]) == 0
    assert "before-tide" in capsys.readouterr().out
    assert main(["resume", str(version.path), "--steps", "2"]) == 2
    assert "Or make it a run of its own: rlm copy" in " ".join(capsys.readouterr().err.split())
    assert main(["rm", str(version.path)]) == 2
    assert "whether version before-tide of owl may go" in capsys.readouterr().err
    assert main(["rm", str(version.path), "--yes", "--json"]) == 0
    (removed,) = json.loads(capsys.readouterr().out)
    assert (removed["name"], removed["version_of"]) == ("before-tide", "owl")
    assert main(["show", "owl"]) == 0
    assert "before-tide" not in "".join(capsys.readouterr()) and left(runs) == ["hawk", "owl"]


def test_a_version_goes_with_its_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = Run.create("before-tide", runs / "owl" / "versions")
    version.save_config(CREATED)
    assert main(["rm", "owl", str(version.path), "--yes", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["owl"]


def test_copy_and_rename(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", "owl", "wren", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["name"], made["copy_of"], made["path"]) == ("wren", "owl", str(runs / "wren"))
    assert main(["rename", "wren", "robin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["before"] == "wren"
    assert main(["rename", "owl", "robin"]) == 2
    assert left(runs) == ["hawk", "owl", "robin"]


def test_the_shell_completes_their_runs(runs: Path) -> None:
    context = cast(typer.Context, SimpleNamespace(params={}))
    assert [name for name, _ in complete_runs(context, "o")] == ["owl"]
