"""One of the processes of a training, driven by the tests beside it.

Process 0 reads lines: `train FOLDER STEP` trains a run and pauses after that step (-1: never). Out comes
`ready`, then for each line `ended EVENT`, or `failed KIND`. SPOIL makes the other process run out of memory
(`memory`), be of another version (`version`), or end in its third step (`loss`).
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import torch

from data.cache import set_cache_dir
from data.errors import RlmError
from models.generation import samples
from models.processes.group import ProcessGroup
from models.processes.placement import placement
from models.runs.events import StepFinished
from models.runs.run import Run
from models.training import pieces, team, worker
from models.training.control import Control
from models.training.trainer import train


def report(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def train_one(group: ProcessGroup, folder: str, pause_after: int) -> None:
    run, control, last = Run(Path(folder)), Control(), None
    with team.Team(group) as processes:
        for event in run.record(train(run, control, processes)):
            last = event
            if isinstance(event, StepFinished) and event.step == pause_after:
                control.pause()
    report(f"ended {type(last).__name__}")


def spoil(what: str | None) -> None:
    """Let something go wrong in this process."""
    accumulate, steps = pieces.TokenPiece.accumulate, 0

    def fails(piece: pieces.TokenPiece, learner: worker.Learner, micro_batch: int) -> pieces.Contribution:
        nonlocal steps
        steps += 1
        if what == "memory" and micro_batch > 1:
            raise torch.OutOfMemoryError("out of memory")
        if what == "loss" and steps == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return accumulate(piece, learner, micro_batch)

    if what in ("memory", "loss"):
        pieces.TokenPiece.accumulate = fails  # type: ignore[method-assign]
    elif what == "version":
        worker.code_digest = lambda: "another"


def main() -> None:
    place = placement(os.environ)
    assert place is not None
    torch.set_num_threads(1)
    set_cache_dir(os.environ["RLM_CACHE_DIR"])
    samples.SAMPLE = samples.SAMPLE.changed(max_tokens=6)
    group = ProcessGroup.join(place)
    if place.rank > 0:
        spoil(os.environ.get("SPOIL"))
        signals: list[int] = []

        def note(number: int, frame: FrameType | None) -> None:
            signals.append(number)

        signal.signal(signal.SIGINT, note)
        report("ready")
        while True:
            worker.Worker(group, was_interrupted=lambda: bool(signals)).work()
            signals.clear()
    report("ready")
    for line in sys.stdin:
        folder, step = line.removeprefix("train ").rsplit(" ", 1)
        try:
            train_one(group, folder, int(step))
        except RlmError as error:
            report(f"failed {type(error).__name__}: {error.message}")


if __name__ == "__main__":
    main()
