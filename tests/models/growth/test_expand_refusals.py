"""A refused or failed expansion: one message, the old run unchanged, nothing of the new one left."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from data.errors import StorageError, UsageError
from data.storage import TEMPORARY_PREFIX
from models.errors import CheckpointError, RunBusyError
from models.growth import expand
from models.growth.expand import ExpansionPlan
from models.runs.checkpoint_folder import complete_checkpoints
from models.runs.incomplete import is_incomplete
from models.runs.listing import summarize
from models.runs.run import Run
from models.runs.run_names import run_names

NewRun = Callable[..., Run]
Learn = Callable[..., None]
Grow = Callable[..., ExpansionPlan]


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a run except its lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".lock")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_character_vocabulary_does_not_grow(new_run: NewRun, grow: Grow) -> None:
    parent = new_run()
    with pytest.raises(UsageError, match="new characters come with a text") as caught:
        grow(parent, vocab=300)
    assert (
        caught.value.hint == f"Give it a text that has them: {{train FILE continue_run={parent.in_command}}}"
    )
    with pytest.raises(UsageError, match="Say what to grow") as caught:
        grow(parent)
    assert "--core" in (caught.value.hint or "") and "--vocab" not in (caught.value.hint or "")


@pytest.mark.usefixtures("impatient")
def test_a_locked_run_is_refused(new_run: NewRun, grow: Grow) -> None:
    parent = new_run()
    with parent.lock(), pytest.raises(RunBusyError):
        grow(parent, core=2)


def test_one_name_is_used_once(new_run: NewRun, grow: Grow, runs: Path, learn: Learn) -> None:
    parent = new_run()
    learn(parent)
    plan, failures = grow(parent, core=2), []

    def start() -> None:
        try:
            plan.start()
        except (UsageError, RunBusyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 1
    assert sorted(run_names(runs)) == ["owl", "wide"]
    assert summarize(runs / "wide").status == "finished"
    with pytest.raises(UsageError, match="already a run 'wide'"):
        plan.start()
    with pytest.raises(UsageError, match="cannot be the name"):
        grow(parent, "../wide", core=2)


def test_damaged_or_missing_weights_are_refused(
    new_run: NewRun, grow: Grow, runs: Path, learn: Learn
) -> None:
    parent = new_run()
    learn(parent)
    whole = parent.weights_path.read_bytes()
    parent.weights_path.write_bytes(whole[:-8])
    with pytest.raises(CheckpointError, match="damaged"):
        grow(parent, core=2)
    parent.weights_path.unlink()
    with pytest.raises(CheckpointError, match="is missing") as caught:
        grow(parent, core=2)
    assert f"{{resume {parent.in_command}}}" in (caught.value.hint or "")
    assert run_names(runs) == ["owl"]


def test_a_model_with_another_output_is_not_written(
    new_run: NewRun, grow: Grow, runs: Path, monkeypatch: pytest.MonkeyPatch, learn: Learn
) -> None:
    parent = new_run()
    learn(parent)
    plan, original = grow(parent, core=2), expand.grow_weights

    def wrong(*arguments: Any, **more: Any) -> dict[str, Tensor]:
        weights = original(*arguments, **more)
        return {**weights, "head.weight": weights["head.weight"] * 1.01}

    monkeypatch.setattr(expand, "grow_weights", wrong)
    with pytest.raises(CheckpointError, match="would not give the same output"):
        plan.start()
    assert run_names(runs) == ["owl"] and not (runs / "wide").exists()


def test_a_full_disk_leaves_nothing(
    new_run: NewRun, grow: Grow, runs: Path, disk: Any, monkeypatch: pytest.MonkeyPatch, learn: Learn
) -> None:
    monkeypatch.setattr(expand, "require_same_model", lambda *models: 0.0)  # tested elsewhere
    parent = new_run()
    learn(parent)
    (parent.path / "replay").mkdir(exist_ok=True)
    (parent.path / "replay" / "0123456789abcdef.safetensors").write_bytes(b"tokens")
    before = content(parent.path)
    plan = grow(parent, core=2)
    disk.full_after(None)
    plan.start()
    operations = disk.count
    shutil.rmtree(runs / "wide")
    assert operations > 30
    for point in range(1, operations - 1, 9):
        disk.full_after(point)
        try:
            plan.start()
        except StorageError as error:
            assert error.message.startswith("The disk is full") and error.hint
            assert not (runs / "wide").exists() or is_incomplete(runs / "wide"), point
            assert run_names(runs) == ["owl"]
        else:  # only the clean-up or the pid file failed
            shutil.rmtree(runs / "wide")
            assert point > operations - 6, point
    disk.full_after(None)
    assert content(parent.path) == before
    run = plan.start()
    assert (run.path / "replay" / "0123456789abcdef.safetensors").read_bytes() == b"tokens"
    assert not [path for path in run.path.iterdir() if path.name.startswith(TEMPORARY_PREFIX)]
    assert len(complete_checkpoints(run.checkpoints_path)) == 1


def test_an_incomplete_run_is_taken_over(new_run: NewRun, grow: Grow, runs: Path, learn: Learn) -> None:
    parent = new_run()
    learn(parent)
    plan = grow(parent, core=2)
    plan.start()
    # As after a kill before the files are moved to their places.
    staging = runs / "wide" / f"{TEMPORARY_PREFIX}expansion" / "wide"
    staging.mkdir(parents=True)
    for path in (runs / "wide").iterdir():
        if not path.name.startswith("."):
            path.rename(staging / path.name)
    (runs / "wide" / ".lock").touch()
    assert run_names(runs) == ["owl"]
    assert summarize(plan.start().path).status == "finished"
