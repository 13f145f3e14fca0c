"""A command that is killed at any system call loses nothing it said is saved, and then works again."""

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from models.runs.checkpoint_folder import newest_checkpoint
from tests.fire.commands import QUICK, Host, Outcome

pytestmark = pytest.mark.slow
KILLS_PER_KIND = 43  # 301 in all
SEED = 11
SHORT = ["--steps", "4", "--set", "training.evaluations=1"]
SUDOKU = ["--task", "sudoku:4x4", "--count", "120", "--batch-size", "8", "--d-model", "32", "--heads", "2"]
SUDOKU += ["--number-format", "float32", "--set", "training.samples=0"]


@dataclass(frozen=True)
class Kind:
    """A command, and the run that it makes or changes."""

    run: str
    arguments: list[str]


KINDS = {
    "training": Kind("new", ["train", "crow.txt", "--name", "new", *QUICK, *SHORT]),
    "averaged weights": Kind(
        "new", ["train", "crow.txt", "--name", "new", *QUICK, *SHORT, "--set", "training.average_decay=0.9"]
    ),
    "second text": Kind("averaged", ["train", "tide.txt", "--continue", "averaged", *SHORT]),
    "growth": Kind(
        "averaged",
        ["train", "tide.txt", "--continue", "averaged", *SHORT, "--grow-every", "300", "--grow-by", "9000"],
    ),
    "expansion": Kind("new", ["expand", "pair", "--core", "2", "--name", "new"]),
    "puzzles": Kind("new", ["train", *SUDOKU, "--name", "new", *SHORT]),
    "more steps": Kind("pair", ["resume", "pair", "--steps", "4"]),
}


def acknowledged(outcome: Outcome) -> int:
    """The last step that the command said is saved; -1 for none."""
    lines = (line for line in outcome.output.splitlines() if '"checkpoint_saved"' in line)
    return max((json.loads(line)["step"] for line in lines), default=-1)


def weights(folder: Path, kind: Kind) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(folder / "runs" / kind.run / "model.safetensors")


def listed(host: Host, folder: Path) -> dict[str, dict[str, object]]:
    outcome = host.rlm(folder, "ls", "--json")
    assert outcome.code == 0 and not outcome.faults(), outcome.text
    return {run["name"]: run for run in json.loads(outcome.output)}


def state(run: dict[str, object]) -> tuple[object, object]:
    return run.get("corpus"), run.get("step")


def finish(host: Host, folder: Path, kind: Kind, before: dict[str, dict[str, object]]) -> None:
    """What a user does after a kill: go on with the run if it is listed as paused, else type it again."""
    run = listed(host, folder).get(kind.run)
    assert run is None or run["status"] in ("paused", "finished"), run
    if run is not None and run["status"] == "paused":
        again = ["resume", kind.run]
    elif run is not None and state(run) != state(before.get(kind.run, {})):
        return  # it was complete, but for its last words
    else:
        again = kind.arguments
    outcome = host.rlm(folder, *again)
    assert outcome.code == 0 and not outcome.faults(), (again, outcome.text)


def let_time_pass(*folders: Path) -> None:
    """Make what was left behind older than a minute, when it counts as nobody's."""
    for folder in folders:
        for path in folder.rglob(".tmp-*"):
            os.utime(path, (time.time() - 120,) * 2)


def assert_nothing_left(folder: Path, cache: Path) -> None:
    left = [path for where in (folder, cache) for path in where.rglob(".tmp-*")]
    assert not left, left


@pytest.mark.parametrize("name", KINDS)
def test_a_killed_command_loses_nothing(
    name: str, host: Host, fresh: Callable[[], Path], cache: Path
) -> None:
    kind, draw = KINDS[name], random.Random(SEED)
    folder = fresh()
    before = listed(host, folder)
    whole = host.rlm(folder, *kind.arguments)
    assert whole.code == 0 and not whole.faults(), whole.text
    reference, operations = weights(folder, kind), whole.operations
    points = sorted(draw.sample(range(1, operations + 1), KILLS_PER_KIND))
    kills = 0
    for point in points:
        folder = fresh()
        outcome = host.rlm(folder, *kind.arguments, "--json", kill_at=point)
        kills += outcome.code == -9
        let_time_pass(folder, cache)
        for run in listed(host, folder).values():
            assert run["status"] != "damaged", (point, run)
        saved = newest_checkpoint(folder / "runs" / kind.run / "checkpoints")
        if (step := acknowledged(outcome)) >= 0:
            assert saved is not None and saved.step >= step and saved.damage() is None, point
        finish(host, folder, kind, before)
        found = weights(folder, kind)
        assert found.keys() == reference.keys(), point
        assert all(np.array_equal(found[one], reference[one]) for one in found), point
        assert_nothing_left(folder, cache)
    assert kills > 0.9 * KILLS_PER_KIND
