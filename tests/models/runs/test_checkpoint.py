import dataclasses
import hashlib
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import CheckpointError
from models.runs.checkpoint import (
    Snapshot,
    load_checkpoint,
    prune,
    save_checkpoint,
)
from models.runs.checkpoint_folder import complete_checkpoints, pointers_in, write_pointer
from models.runs.migrations import CURRENT
from models.runs.run import Run
from models.runs.run_state import Counters, RunState, Schedule

FILES = ("model.safetensors", "training.safetensors", "state.json")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create("owl", tmp_path)


def snapshot_of(step: int) -> Snapshot:
    torch.manual_seed(step)
    model = {
        "embedding.weight": torch.randn(7, 5),
        "tied": torch.randn(4, 6).t(),
        "half": torch.randn(3).bfloat16(),
    }
    training = {"rng": torch.get_rng_state(), "count": torch.tensor(step), "none": torch.zeros(0, 4)}
    counters = Counters(
        step=step, position=step * 12, best_loss=math.inf, mean_loss=2.5, recent_losses=[0.1 + 0.2]
    )
    return Snapshot(step, model, training, state_of(counters=counters))


def state_of(**values: Any) -> RunState:
    return RunState(**{"counters": Counters(mean_loss=2.5), "schedule": Schedule.over(0, 1), **values})


def assert_same(found: Snapshot, expected: Snapshot) -> None:
    assert found.step == expected.step and found.state == expected.state
    for ours, theirs in ((found.model, expected.model), (found.training, expected.training)):
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert ours[name].dtype == tensor.dtype and torch.equal(ours[name], tensor)


def newest(run: Run) -> Path:
    return complete_checkpoints(run.checkpoints_path)[0].path


def names(run: Run) -> list[str]:
    return sorted(path.name for path in run.checkpoints_path.glob("step_*"))


def test_what_was_saved_is_loaded_bit_for_bit(run: Run) -> None:
    path = save_checkpoint(run, snapshot_of(500), metadata={"format": "rlm", "config": "{}"})
    assert path == run.checkpoints_path / "step_000500"
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
    assert (run.checkpoints_path / "latest").read_text() == "step_000500\n"
    snapshot, notes = load_checkpoint(run)
    assert notes == []
    assert_same(snapshot, snapshot_of(500))


FIELDS = {field.name for field in dataclasses.fields(RunState)}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=25, deadline=None)
@given(foreign=st.dictionaries(st.text().filter(lambda key: key not in FIELDS), json_values, max_size=4))
def test_any_json_in_a_state_comes_back(
    tmp_path_factory: pytest.TempPathFactory, foreign: dict[str, object]
) -> None:
    run = Run.create("owl", tmp_path_factory.mktemp("runs"))
    state = state_of(foreign=foreign)
    save_checkpoint(run, Snapshot(1, {}, {}, state))
    assert load_checkpoint(run)[0].state == state


def test_tuples_and_number_keys_do_not_break_the_checksum(run: Run) -> None:
    config = {"betas": (0.9, 0.95), "by_step": {10: "a", 9: "b"}}
    save_checkpoint(run, Snapshot(1, {}, {}, state_of(counters=Counters(mean_loss=math.nan), config=config)))
    found = load_checkpoint(run)[0].state
    assert found.config == {"betas": [0.9, 0.95], "by_step": {"10": "a", "9": "b"}}
    assert math.isnan(found.counters.mean_loss)


@pytest.mark.skipif(os.name == "nt", reason="the umask is a Unix idea")
def test_files_take_the_mode_of_the_umask(run: Run) -> None:
    previous = os.umask(0o027)
    try:
        path = save_checkpoint(run, snapshot_of(1))
    finally:
        os.umask(previous)
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o640}
    assert path.stat().st_mode & 0o777 == 0o750


@pytest.fixture(scope="module")
def two_saves(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create("owl", tmp_path_factory.mktemp("two"))
    save_checkpoint(run, snapshot_of(1))
    save_checkpoint(run, snapshot_of(2))
    return run


@settings(max_examples=120, deadline=None)
@given(file=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(two_saves: Run, file: str, place: float, bit: int) -> None:
    path = newest(two_saves) / file
    intact = path.read_bytes()
    damaged = bytearray(intact)
    damaged[int(place * len(intact))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        snapshot, notes = load_checkpoint(two_saves)
    finally:
        path.write_bytes(intact)
    assert_same(snapshot, snapshot_of(snapshot.step))
    # A flip between the words of state.json can leave its meaning as it was.
    assert (snapshot.step == 1 and len(notes) == 2 and "step_000002" in notes[0]) or (
        snapshot.step == 2 and file == "state.json" and notes == []
    )


@settings(max_examples=60, deadline=None)
@given(file=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_noticed(two_saves: Run, file: str, place: float) -> None:
    path = newest_named(two_saves) / file
    intact = path.read_bytes()
    path.write_bytes(intact[: int(place * len(intact))])
    try:
        snapshot, notes = load_checkpoint(two_saves)
    finally:
        path.write_bytes(intact)
    assert_same(snapshot, snapshot_of(1))
    assert "step_000002" in notes[0] and notes[-1].endswith("step_000001.")


def newest_named(run: Run) -> Path:
    return run.checkpoints_path / names(run)[-1]


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_noticed(run: Run, file: str) -> None:
    save_checkpoint(run, snapshot_of(1))
    (save_checkpoint(run, snapshot_of(2)) / file).unlink()
    snapshot, notes = load_checkpoint(run)
    assert snapshot.step == 1 and notes


def test_without_any_checkpoint_the_error_says_so(run: Run) -> None:
    with pytest.raises(CheckpointError, match="Run 'owl' has no checkpoint"):
        load_checkpoint(run)
    path = save_checkpoint(run, snapshot_of(1))
    (path / "model.safetensors").write_bytes(b"gone")
    with pytest.raises(CheckpointError, match="no intact checkpoint"):
        load_checkpoint(run)
    (path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no intact checkpoint"):
        load_checkpoint(run)


def test_a_folder_that_may_not_be_read_is_our_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(run, snapshot_of(1))

    def denied(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(CheckpointError, match="Permission denied"):
        load_checkpoint(run)


@pytest.mark.parametrize("content", [b"", b"step_999999", b"../../etc", b"\xff\xfe", b"step_000001" * 100])
def test_a_broken_pointer_falls_back_to_the_newest(run: Run, content: bytes) -> None:
    save_checkpoint(run, snapshot_of(1))
    save_checkpoint(run, snapshot_of(2))
    (run.checkpoints_path / "latest").write_bytes(content)
    snapshot, notes = load_checkpoint(run)
    assert snapshot.step == 2 and "latest" in notes[0]


def test_pointers_lead_to_different_checkpoints(run: Run) -> None:
    save_checkpoint(run, snapshot_of(1), pointers=("latest", "best"))
    save_checkpoint(run, snapshot_of(2), pointers=("latest", "pause"))
    assert [load_checkpoint(run, pointer)[0].step for pointer in ("best", "pause", "latest")] == [1, 2, 2]


def test_the_same_step_can_be_saved_again(run: Run) -> None:
    save_checkpoint(run, snapshot_of(5))
    again = Snapshot(5, {"w": torch.ones(1)}, {}, state_of(ended="steps"))
    path = save_checkpoint(run, again, pointers=("latest", "best"))
    assert path.name == "step_000005-2"
    assert_same(load_checkpoint(run)[0], again)
    assert pointers_in(run.checkpoints_path)["best"] == "step_000005-2"


def test_after_a_rollback_the_newest_is_the_last_saved_not_the_highest_step(run: Run) -> None:
    save_checkpoint(run, snapshot_of(500))
    save_checkpoint(run, snapshot_of(800))
    write_pointer(run.checkpoints_path, "latest", "step_000500")
    assert load_checkpoint(run)[0].step == 500
    save_checkpoint(run, snapshot_of(600))
    (run.checkpoints_path / "latest").unlink()
    assert load_checkpoint(run)[0].step == 600


@settings(max_examples=30, deadline=None)
@given(
    saves=st.lists(st.sampled_from([(), ("best",), ("pause",), ("pinned",)]), min_size=1, max_size=7),
    keep=st.integers(0, 4),
)
def test_pruning_keeps_the_newest_and_whatever_is_pointed_to(
    tmp_path_factory: pytest.TempPathFactory, saves: list[tuple[str, ...]], keep: int
) -> None:
    run = Run.create("owl", tmp_path_factory.mktemp("runs"))
    expected = {}
    for step, pointers in enumerate(saves, start=1):
        save_checkpoint(run, snapshot_of(step), pointers=("latest", *pointers), keep=None)
        expected.update({pointer: f"step_{step:06d}" for pointer in ("latest", *pointers)})
    removed = prune(run, keep)
    newest_kept = {f"step_{step:06d}" for step in range(1, len(saves) + 1)[-max(keep, 1) :]}
    assert set(names(run)) == newest_kept | set(expected.values())
    assert set(removed).isdisjoint(names(run))
    assert pointers_in(run.checkpoints_path) == expected


def test_links_and_foreign_things_are_left_alone(run: Run, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "diary.txt").write_text("mine")
    save_checkpoint(run, snapshot_of(1))
    shutil.copytree(run.checkpoints_path / "step_000001", precious / "step_000009")
    checkpoints = run.checkpoints_path
    (checkpoints / ".tmp-link").symlink_to(precious)
    (checkpoints / "step_000009").symlink_to(precious / "step_000009")
    (checkpoints / "notes").mkdir()
    (checkpoints / "step_000002").mkdir()
    for step in (3, 4, 5, 6):
        save_checkpoint(run, snapshot_of(step), keep=1)
    assert (precious / "diary.txt").read_text() == "mine" and (
        precious / "step_000009" / "state.json"
    ).exists()
    assert sorted(os.listdir(checkpoints)) == ["latest", "notes", "step_000002", "step_000006", "step_000009"]
    assert load_checkpoint(run)[1] == []


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": CURRENT["state.json"] + 1},
        {"files": {}},
        {"files": {"../../secret": {"size": 1, "sha256": ""}}},
        {"state": []},
        {"serial": "1"},
    ],
    ids=str,
)
def test_a_state_that_does_not_fit_is_refused(run: Run, change: dict[str, object]) -> None:
    path = save_checkpoint(run, snapshot_of(1)) / "state.json"
    content = json.loads(path.read_text()) | change
    del content["checksum"]
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**content, "checksum": checksum}))
    with pytest.raises(CheckpointError):
        load_checkpoint(run)


def test_a_nested_or_huge_state_is_refused_quickly(run: Run) -> None:
    path = save_checkpoint(run, snapshot_of(1)) / "state.json"
    path.write_text("[" * 100_000)
    with pytest.raises(CheckpointError):
        load_checkpoint(run)
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: a terabyte that takes no room
    with pytest.raises(CheckpointError):
        load_checkpoint(run)
