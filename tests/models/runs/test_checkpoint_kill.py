"""A process killed at any moment, saves included, loses nothing it was told is saved."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.runs.checkpoint import Snapshot, load_checkpoint, load_weights, save_checkpoint, save_weights
from models.runs.run import Run
from models.runs.run_state import Counters, RunState, Schedule

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the process to be killed")


class Host:
    """The process whose children save and are killed."""

    def __init__(self, run: Run) -> None:
        script = Path(__file__).with_name("saving_host.py")
        root = Path(__file__).parents[3]
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(run.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )

    def saves(self, first_step: int, *, point: int = 0, kill_after_s: float = 0.0) -> tuple[bool, int, int]:
        """Let a child save: whether it was killed, and the last checkpoint and weights acknowledged."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{first_step} {point}\n")
        self._process.stdin.flush()
        acknowledged = {"saved": 0, "weights": 0}
        while True:
            word, number = self._process.stdout.readline().split()
            if word == "ended":
                return int(number) == signal.SIGKILL, acknowledged["saved"], acknowledged["weights"]
            if word == "pid" and not point:
                time.sleep(kill_after_s)
                os.kill(int(number), signal.SIGKILL)
            elif word in acknowledged:
                acknowledged[word] = int(number)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create("owl", tmp_path)


@pytest.fixture
def host(run: Run) -> Iterator[Host]:
    host = Host(run)
    yield host
    host.close()


def snapshot_of(step: int, size: int = 20_000) -> Snapshot:
    numbers = torch.arange(size, dtype=torch.float32) + step
    training = {"moment": -numbers, "seen": torch.tensor(step), "half": numbers.to(torch.bfloat16)}
    counters = Counters(step=step, tokens_seen=step * 7, best_loss=1 / step, mean_loss=2.5)
    state = RunState(counters=counters, schedule=Schedule.over(0, 1))
    return Snapshot(step, {"weight": numbers.reshape(-1, 10)}, training, state)


def assert_is(snapshot: Snapshot, expected: Snapshot) -> None:
    assert snapshot.step == expected.step and snapshot.state == expected.state
    for found, wanted in ((snapshot.model, expected.model), (snapshot.training, expected.training)):
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def assert_nothing_lost(run: Run, saved: int, weights: int) -> int:
    snapshot, notes = load_checkpoint(run)
    assert snapshot.step >= saved, f"step {saved} was acknowledged, step {snapshot.step} was found"
    assert notes == []
    assert_is(snapshot, snapshot_of(snapshot.step))
    tensors, metadata = load_weights(run.weights_path)
    assert int(metadata["step"]) >= weights
    assert torch.equal(tensors["weight"], snapshot_of(int(metadata["step"])).model["weight"])
    return snapshot.step


def kill_at_random(run: Run, host: Host, times: int) -> None:
    step, kills = 1, 0
    began = time.perf_counter()
    save_checkpoint(run, snapshot_of(step))
    longest_s = max(0.15, 8 * (time.perf_counter() - began))  # several saves, however slow the disk
    save_weights(run, snapshot_of(step).model, {"step": str(step)})
    moments = random.Random(2)
    progressed = 0
    while kills < times:
        killed, saved, weights = host.saves(step + 1, kill_after_s=moments.uniform(0.0, longest_s))
        assert killed
        kills += 1
        found = assert_nothing_lost(run, max(saved, step), weights)
        progressed += found > step
        step = found
    assert progressed > times // 3, "the children were killed before they had saved anything"


def test_random_kills_lose_nothing(run: Run, host: Host) -> None:
    kill_at_random(run, host, times=10)


@pytest.mark.slow
def test_fifty_random_kills_lose_nothing(run: Run, host: Host) -> None:
    kill_at_random(run, host, times=50)


def test_a_kill_at_every_disk_operation_loses_nothing(run: Run, host: Host) -> None:
    step, point, killed = 1, 0, True
    while killed:
        # Each round starts from the same folders: this also clears what the last kill left behind.
        save_checkpoint(run, snapshot_of(step), pointers=("latest", "pause"), keep=1)
        save_weights(run, snapshot_of(step).model, {"step": str(step)})
        only_one = {"latest", "pause", (run.checkpoints_path / "latest").read_text().strip()}
        assert {path.name for path in run.checkpoints_path.iterdir()} == only_one
        point += 1
        killed, saved, weights = host.saves(step + 1, point=point)
        step = assert_nothing_lost(run, max(saved, step), max(weights, step))
    assert point > 30  # it did die in the midst of things
