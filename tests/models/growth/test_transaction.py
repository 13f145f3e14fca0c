"""A change of a run is one step: whoever is killed in its midst leaves the old run or the new one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import StorageError
from models.growth import transaction
from models.growth.transaction import commit
from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.checkpoint_folder import STATE_FILE, newest_checkpoint, state_text
from models.runs.events import Event, RunFinished
from models.runs.listing import summarize
from models.runs.load import load_run
from models.runs.migrations import CURRENT
from models.runs.run import Run
from models.training import grow
from tests.models.growth.kills import Killed, Operations

NewRun = Callable[..., Run]
Go = Callable[[Run], list[Event]]
Plan = Callable[..., Any]


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_change_leaves_the_old_run_or_the_new_one(
    trained_run: NewRun, river: Path, plan: Plan, go: Go, operations: Operations
) -> None:
    reference = trained_run("reference", steps=3, evaluations=1)
    plan(reference, river, replay=0.3, steps=3).start()
    go(reference)
    expected = load_weights(reference.weights_path)[0], load_checkpoint(reference)[0].training
    old, new = set(), set()
    for kill_at in range(1, 100):
        run = trained_run(f"killed-{kill_at}", steps=3, evaluations=1)
        planned = plan(run, river, replay=0.3, steps=3)
        before = run.config()
        operations.arm(kill_at)
        try:
            planned.start()
        except Killed:
            pass
        else:
            operations.arm(0)
            break
        finally:
            operations.arm(0)
        if load_checkpoint(run)[0].state.is_initial or summarize(run.path).status == "paused":
            new.add(kill_at)
        else:
            old.add(kill_at)
            assert run.config() == before
            load_run(run)
            plan(run, river, replay=0.3, steps=3).start()
        events = go(run)
        assert isinstance(events[-1], RunFinished)
        found = load_weights(run.weights_path)[0], load_checkpoint(run)[0].training
        for one, other in zip(expected, found, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one | other), kill_at
        assert [one.name for one in run.datasets()] == ["meadow", "river"]
    assert old and new, "the loop met no moment before the change, or none after it"


def test_a_change_that_an_earlier_version_left_unfinished_is_finished(
    owl: Run, river: Path, plan: Plan, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "recover", lambda run: None)
        plan(owl, river, replay=0.3, steps=3).start()
    newest = newest_checkpoint(owl.checkpoints_path)
    assert newest is not None
    state = newest.state.to_json()
    held = state["datasets"]
    assert held["format_version"] == CURRENT["datasets.json"]
    meadow, river_entry = held["datasets"]
    meadow["validation_loss"] = meadow.pop("loss_when_learned")  # as the first version had it, unversioned
    state["datasets"] = [meadow, river_entry]
    text = state_text(newest.step, newest.serial, newest.files, state)
    (newest.path / STATE_FILE).write_bytes(text)
    assert isinstance(go(owl)[-1], RunFinished)
    earlier, learned = owl.datasets()
    assert "validation_loss" not in earlier.foreign
    assert earlier.loss_when_learned is not None and earlier.loss_when_learned > 0
    assert learned.name == "river" and learned.loss_now is not None and learned.loss_now > 0


def test_a_full_disk_leaves_the_old_run(
    owl: Run, river: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(owl, river)
    config, weights = owl.config(), owl.weights_path.read_bytes()

    def full(*arguments: Any) -> int:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError):
            planned.start()
    assert (owl.config(), owl.weights_path.read_bytes()) == (config, weights)
    assert summarize(owl.path).status == "finished"
    load_run(owl)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_of_a_growth_changes_nothing_in_the_end(
    trained_run: NewRun,
    meadow_run: NewRun,
    go: Go,
    operations: Operations,
    monkeypatch: pytest.MonkeyPatch,
    every: int,
) -> None:
    dials = {"steps": 6, "evaluations": 3, "grow_every": 3 * 4 * 16, "grow_by": 6_000}
    reference = trained_run("reference", **dials)
    expected = load_weights(reference.weights_path)[0], load_checkpoint(reference)[0].training
    for kill_at in range(1, 100, every):
        run = meadow_run(f"killed-{kill_at}", **dials)
        run.save_datasets(reference.datasets())

        def killed(*arguments: Any, at: int = kill_at, **more: Any) -> None:
            operations.arm(at)
            try:
                commit(*arguments, **more)
            finally:
                operations.arm(0)

        with monkeypatch.context() as patch:
            patch.setattr(grow, "commit", killed)
            try:
                go(run)
            except Killed:
                pass
            else:
                break
        assert isinstance(go(run)[-1], RunFinished)
        found = load_weights(run.weights_path)[0], load_checkpoint(run)[0].training
        for one, other in zip(expected, found, strict=True):
            assert [name for name in one | other if not torch.equal(one[name], other[name])] == [], kill_at
    assert kill_at > 8, "it was never killed"
