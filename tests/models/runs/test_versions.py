"""A kept version stays as it is, and goes only where nothing needs it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import UsageError
from models.errors import RunBusyError, RunError
from models.runs import versions
from models.runs.run import Run
from models.runs.run_folder import find_folder, rename_run
from models.runs.run_names import refuse_version, run_of_version
from models.runs.versions import remove_version
from models.training.trainer import train
from tests.models.runs.example_config import CREATED, WITH_TEXT
from tests.models.runs.test_listing import NO_TENSORS


@pytest.fixture
def owl(tmp_path: Path) -> Run:
    """A run of two versions."""
    run = Run.create("owl", tmp_path / "runs")
    run.save_config(replace(WITH_TEXT, revision=1))
    run.weights_path.write_bytes(NO_TENSORS)
    for name in ("before-a", "before-b"):
        Run.create(name, run.versions_path).save_config(CREATED)
    return run


def names(run: Run) -> list[str]:
    return sorted(path.name for path in run.versions_path.iterdir())


def test_a_version_is_known_by_its_place(owl: Run) -> None:
    assert run_of_version(owl.versions_path / "before-a") == owl.path
    assert run_of_version(owl.path) is None
    refuse_version(owl.path)
    runs_dir = owl.path.parent
    assert find_folder(str(owl.versions_path / "before-a"), runs_dir) == owl.versions_path / "before-a"
    with pytest.raises(UsageError) as raised:
        find_folder("before-a", owl.versions_path)
    assert raised.value.hint is not None and str(runs_dir) in raised.value.hint


def test_a_version_that_is_not_there_is_told_beside_those_that_are(owl: Run) -> None:
    with pytest.raises(UsageError, match="Run 'owl' has no version 'nope'") as raised:
        find_folder(str(owl.versions_path / "nope"), owl.path.parent)
    assert raised.value.hint == "It has before-a, before-b."


def test_a_version_is_not_trained_or_renamed_in_its_place(owl: Run) -> None:
    version = Run(owl.versions_path / "before-a")
    before = version.config_path.read_bytes()
    with pytest.raises(UsageError, match="is a version that run 'owl' keeps as it is") as raised:
        next(train(version))
    assert raised.value.hint is not None
    assert f"{{resume {owl.in_command} --from before-a}}" in raised.value.hint
    with pytest.raises(UsageError, match="keeps as it is"):
        rename_run(version, "wren", owl.path.parent)
    assert names(owl) == ["before-a", "before-b"] and version.config_path.read_bytes() == before


@pytest.mark.usefixtures("impatient")
def test_one_version_is_removed(owl: Run) -> None:
    remove_version(owl, "before-a")
    assert names(owl) == ["before-b"] and owl.config_path.exists()
    with Run(owl.versions_path / "before-b").lock(), pytest.raises(RunBusyError):
        remove_version(owl, "before-b")
    assert names(owl) == ["before-b"]


def test_a_version_that_is_needed_stays(owl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    owl.weights_path.unlink()
    monkeypatch.setattr(
        versions,
        "newest_checkpoint",
        lambda folder: "checkpoint" if folder.parent.name == "before-a" else None,
    )
    with pytest.raises(RunError, match="the only state of run 'owl' that is whole"):
        remove_version(owl, "before-a")
    remove_version(owl, "before-b")
    returning = SimpleNamespace(state=SimpleNamespace(version="before-a"))
    monkeypatch.setattr(versions, "pending_change", lambda run, config: returning)
    with pytest.raises(RunError, match="is going back to its version 'before-a'"):
        remove_version(owl, "before-a")
    assert names(owl) == ["before-a"]
