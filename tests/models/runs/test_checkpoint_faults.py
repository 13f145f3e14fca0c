"""A disk that fails at any single operation of a save: the old state stays, and the error says so."""

import errno
import os
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import StorageError
from data.storage import TEMPORARY_PREFIX
from models.errors import CheckpointError
from models.runs.checkpoint import (
    Snapshot,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from models.runs.checkpoint_folder import complete_checkpoints, open_folder, write_pointer
from models.runs.run import Run
from models.runs.run_state import Counters, RunState, Schedule

WRITING = ("open", "write", "fsync", "mkdir", "rename", "replace")


class FailingDisk:
    """Counts the writing operations of `os` and lets one of them fail, or that and all after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.operations: list[str] = []
        self._fails_at, self._sticky, self._errno = 0, False, 0
        for name in WRITING:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def arm(self, fails_at: int, code: int, sticky: bool = False) -> None:
        self.operations.clear()
        self._fails_at, self._errno, self._sticky = fails_at, code, sticky

    def disarm(self) -> None:
        self.arm(0, 0)

    def _watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:  # reading and syncing folders needs no room
                return original(*args, **kwargs)
            self.operations.append(name)
            count = len(self.operations)
            if self._fails_at and (count == self._fails_at or (self._sticky and count > self._fails_at)):
                if name == "write":  # a full disk takes what still fits
                    original(args[0], bytes(args[1])[: len(args[1]) // 3])
                raise OSError(self._errno, os.strerror(self._errno))
            return original(*args, **kwargs)

        return operation


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingDisk]:
    yield FailingDisk(monkeypatch)
    monkeypatch.undo()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create("owl", tmp_path)


def snapshot_of(step: int) -> Snapshot:
    state = RunState(counters=Counters(step=step), schedule=Schedule.over(0, 1))
    return Snapshot(step, {"w": torch.full((50,), float(step))}, {"m": torch.full((3,), -step)}, state)


def steps_of(run: Run) -> list[int]:
    return sorted(checkpoint.step for checkpoint in complete_checkpoints(run.checkpoints_path))


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(f"{TEMPORARY_PREFIX}*")]


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "from-then-on"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO], ids=errno.errorcode.get)
def test_a_failure_at_any_point_of_a_save_keeps_the_old_state(
    run: Run, disk: FailingDisk, code: int, sticky: bool
) -> None:
    save_checkpoint(run, snapshot_of(1), pointers=("latest", "best"))
    disk.arm(0, code)
    save_checkpoint(run, snapshot_of(2), pointers=("latest", "best"))
    total = len(disk.operations)
    assert total > 15 and {"write", "fsync", "mkdir", "rename", "replace", "open"} <= set(disk.operations)
    for point in range(1, total + 1):
        shutil.rmtree(run.checkpoints_path)
        disk.disarm()
        save_checkpoint(run, snapshot_of(1), pointers=("latest", "best"))
        disk.arm(point, code, sticky)
        with pytest.raises(StorageError) as caught:
            save_checkpoint(run, snapshot_of(2), pointers=("latest", "best"))
        disk.disarm()
        if code in (errno.ENOSPC, errno.EDQUOT):
            assert caught.value.message.startswith("The disk is full")
        assert caught.value.hint
        assert temporaries(run.path) == []
        assert open_folder(run.checkpoints_path / "step_000001").damage() is None
        for pointer in ("latest", "best"):
            snapshot, notes = load_checkpoint(run, pointer)
            assert notes == []
            assert torch.equal(snapshot.model["w"], snapshot_of(snapshot.step).model["w"])
        save_checkpoint(run, snapshot_of(3))  # and with room again, it goes on
        assert load_checkpoint(run)[0].step == 3


def test_the_pointer_moves_only_to_what_is_whole(run: Run, disk: FailingDisk) -> None:
    save_checkpoint(run, snapshot_of(1))
    disk.arm(0, 0)
    save_checkpoint(run, snapshot_of(2))
    renamed = disk.operations.index("rename")
    assert disk.operations[:renamed].count("fsync") == 4  # three files and their folder
    assert disk.operations[renamed + 1] == "fsync"  # the name itself, before anything points to it
    for point in range(1, renamed + 2):
        disk.arm(point, errno.ENOSPC)
        with pytest.raises(StorageError):
            save_checkpoint(run, snapshot_of(2 + point))
        disk.disarm()
        assert load_checkpoint(run)[0].step == 2


def test_a_failure_while_pruning_does_not_undo_the_save(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2, 3):
        save_checkpoint(run, snapshot_of(step))

    def denied(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", denied)
        save_checkpoint(run, snapshot_of(4))
    assert load_checkpoint(run)[0].step == 4 and steps_of(run) == [2, 3, 4]
    save_checkpoint(run, snapshot_of(5))
    assert temporaries(run.path) == [] and steps_of(run) == [3, 4, 5]


def test_too_little_room_is_seen_before_anything_is_written(
    run: Run, disk: FailingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(run, snapshot_of(1))
    save_weights(run, snapshot_of(1).model, {})
    disk.arm(0, 0)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    with pytest.raises(StorageError, match=r"MB are needed for the checkpoint of step 2, and .* are free"):
        save_checkpoint(run, snapshot_of(2))
    with pytest.raises(StorageError, match="are needed for the weights of run 'owl'"):
        save_weights(run, snapshot_of(2).model, {})
    assert disk.operations == []
    assert load_checkpoint(run)[0].step == 1


def test_weights_and_pointers_survive_a_failure_at_any_point(run: Run, disk: FailingDisk) -> None:
    save_checkpoint(run, snapshot_of(1))
    save_checkpoint(run, snapshot_of(2))
    save_weights(run, snapshot_of(1).model, {"step": "1"})
    attempts: list[Callable[[], object]] = [
        lambda: save_weights(run, snapshot_of(2).model, {"step": "2"}),
        lambda: write_pointer(run.checkpoints_path, "latest", "step_000001"),
    ]
    for attempt in attempts:
        point = 0
        while True:
            point += 1
            disk.arm(point, errno.ENOSPC)
            try:
                attempt()
            except StorageError as error:
                assert "disk is full" in error.message
            else:
                break
            assert temporaries(run.path) == []
            tensors, metadata = load_weights(run.weights_path)
            assert torch.equal(tensors["w"], snapshot_of(int(metadata["step"])).model["w"])
            assert load_checkpoint(run)[1] == []
        disk.disarm()
        assert point > 4
    assert load_weights(run.weights_path)[1] == {"step": "2"}
    assert load_checkpoint(run)[0].step == 1


def test_a_folder_in_the_place_of_a_pointer_is_told_before_anything_is_trained(run: Run) -> None:
    save_checkpoint(run, snapshot_of(1), pointers=("latest",))
    (run.checkpoints_path / "best").mkdir()
    with pytest.raises(CheckpointError, match="best' is a folder") as caught:
        load_checkpoint(run)
    assert caught.value.hint
