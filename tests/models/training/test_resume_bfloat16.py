"""Bit for bit in the other number format, with two threads, and across processes as it really is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.runs.checkpoint import load_checkpoint, load_weights
from models.runs.run import Run

NewRun = Callable[..., Run]
ROOT = Path(__file__).parents[3]

# Trains each run named, to its end or until it has taken so many steps.
PROGRAM = """
import sys
from pathlib import Path
from models.runs.events import StepFinished
from models.runs.run import Run
from models.generation import samples as sample
from models.training.control import Control
from models.training.trainer import train

sample.SAMPLE = sample.SAMPLE.changed(max_tokens=6)
for folder, last in zip(sys.argv[1::2], sys.argv[2::2]):
    run, control = Run(Path(folder)), Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished) and event.step == int(last):
            control.pause()
"""


def train_apart(*runs: tuple[Run, int]) -> None:
    """Train in a process of its own; -1 is to the end."""
    arguments = [word for run, last in runs for word in (str(run.path), str(last))]
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"},
        cwd=ROOT,
        check=True,
    )


def losses(run: Run) -> list[str]:
    lines = run.events_path.read_text().splitlines()
    return [line.partition('"loss"')[2].partition(",")[0] for line in lines if "step_finished" in line]


@pytest.mark.slow
def test_a_pause_changes_nothing_in_bfloat16_with_two_threads(
    new_run: NewRun, changed_calibration: NewRun
) -> None:
    runs = []
    for name in ("whole", "in-parts"):
        # Wide enough for both threads to have a share of every product.
        run = new_run(name, "looped", model={"d_model": 64, "dropout": 0.1}, steps=8, average_decay=0.9)
        runs.append(changed_calibration(run, number_format="bfloat16", threads=2))
    whole, parts = runs
    train_apart((whole, -1), (parts, 3))
    train_apart((parts, -1))
    assert len(losses(whole)) == 8 and losses(parts) == losses(whole)
    found, expected = load_checkpoint(parts)[0], load_checkpoint(whole)[0]
    for ours, theirs in (
        (found.model, expected.model),
        (found.training, expected.training),
        (load_weights(parts.weights_path)[0], load_weights(whole.weights_path)[0]),
    ):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert parts.evaluation() == whole.evaluation() is not None
