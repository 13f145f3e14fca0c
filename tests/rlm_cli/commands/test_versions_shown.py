"""`rlm show` on texts, damaged files and versions, and `rlm resume` beside another process."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.errors import RunBusyError
from models.planning import extend as extending
from models.runs.datasets import Dataset
from models.runs.run import Run
from models.runs.run_config import ReplaySection
from rlm_cli import training_session
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from tests.models.runs.example_config import WITH_TEXT


@pytest.fixture
def owl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run at its second text, measured before the first step on it."""
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path / "runs"))
    run = Run.create("owl", tmp_path / "runs")
    replayed = ReplaySection(share=0.1, corpora=("cd",))
    run.save_config(replace(WITH_TEXT, replay=replayed, training={"steps": 5}, revision=1))
    run.save_datasets(
        [
            Dataset(name="meadow", content_hash="cd", loss_when_learned=2.0, loss_before=2.5, loss_now=2.5),
            Dataset(name="alice", content_hash="ab", loss_before=4.0, loss_now=4.0),
        ]
    )
    return run


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["show", "owl", *arguments]) == 0
    return capsys.readouterr().out


def test_losses_are_of_the_step_at_which_they_were_measured(
    owl: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(shown(capsys, "--json"))["losses_at_step"] == 0
    meadow, alice = owl.datasets()
    owl.save_datasets([replace(meadow, loss_now=2.2), replace(alice, loss_now=1.5, steps=300)])
    assert json.loads(shown(capsys, "--json"))["losses_at_step"] == 300
    assert "when learned  at step 300" in shown(capsys)


@pytest.mark.parametrize("name", ["datasets.json", "evaluation.json", "generation_config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[" * 2000, b'{"step": "x"}', b"\xff\xfe", b"null"])
def test_a_damaged_file_hides_only_what_is_in_it(
    owl: Run, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (owl.path / name).write_bytes(content)
    out = shown(capsys)
    assert "looped" in out and "owl" in out
    assert ("meadow" in out) == (name != "datasets.json")


def test_versions_are_listed_and_count_in_the_size(owl: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(shown(capsys, "--json"))["bytes"]["run"]
    version = owl.versions_path / "before-alice"
    version.mkdir(parents=True)
    shutil.copy(owl.config_path, version)
    Run(version).save_config(WITH_TEXT)
    (version / "model.safetensors").write_bytes(b"x" * 5000)
    report = json.loads(shown(capsys, "--json"))
    assert [one["name"] for one in report["versions"]] == ["before-alice"]
    assert report["bytes"]["run"] >= before + 5000 and report["size_bytes"] == report["bytes"]["run"]
    assert "before-alice" in shown(capsys)


@pytest.mark.usefixtures("impatient")
def test_no_other_resume_changes_the_length_that_is_trained(
    owl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new length is written and trained under one lock."""
    found: list[type[BaseException]] = []

    def other_process() -> None:
        try:
            with Run(owl.path).lock():
                pass
        except RunBusyError as error:
            found.append(type(error))

    def meanwhile(*arguments: Any, **more: Any) -> ExitCode:
        thread = threading.Thread(target=other_process)
        thread.start()
        thread.join()
        return ExitCode.OK

    monkeypatch.setattr(extending, "extend", meanwhile)
    monkeypatch.setattr(training_session, "follow_training", meanwhile)
    assert main(["resume", "owl", "--steps", "5"]) == 0
    assert found == [RunBusyError, RunBusyError]
