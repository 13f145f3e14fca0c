"""One of the processes of a training, driven by the tests beside it.

Process 0 receives requests: ("train", FOLDER, STEP, WHERE) trains a run and pauses after that step (-1:
never); "shard" in its place does so with the weights divided among the processes. Where WHERE is "step" or
"evaluation", process 0 fails in its first one; where it is "exchange", it runs out of memory in its first
exchange of gradients, and where it is "room", before it. It sends `ready`, then for each request `ended
EVENT`, or `failed KIND`. Where weights are divided, each process writes how many numbers it holds, and of
how many, into the file `held-RANK` in the cache. SPOIL makes the other process run out of memory (`memory`),
be of another version (`version`), end in its third step (`loss`), or end after it (`late loss`). With
PRECISE, Muon computes in float32.
"""

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch._dynamo  # an optimizer imports it late, and so is FSDP: here it is done once for all processes
import torch.distributed.fsdp
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from data.cache import set_cache_dir
from data.errors import RlmError
from models.evaluation import loss
from models.generation import samples
from models.processes.group import ProcessGroup
from models.processes.placement import placement
from models.recursive_lm import RecursiveLM
from models.runs.events import StepFinished
from models.runs.run import Run
from models.training import (
    calibrate,
    learner,
    muon,
    pieces,
    shared_gradients,
    shared_orthogonalization,
    team,
    worker,
)
from models.training.control import Control
from models.training.trainer import train


def train_one(group: ProcessGroup, folder: str, pause_after: int, *, shard: bool) -> str:
    """Train that run; the name of its last event."""
    run, control, last = Run(Path(folder)), Control(), None
    with team.Team(group, shard=shard) as processes:
        for event in run.record(train(run, control, processes)):
            last = event
            if isinstance(event, StepFinished) and event.step == pause_after:
                control.pause()
    return type(last).__name__


@contextlib.contextmanager
def failing(where: str) -> Iterator[None]:
    """Let this process fail in its first `step` or `evaluation`, or lack memory in its first `exchange`, or
    the `room` for it."""

    def fails(*_: Any, **__: Any) -> Any:
        raise ValueError(f"in the {where}")

    def lacks_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("out of memory")

    def lacks_room(parameters: list[torch.Tensor]) -> shared_gradients.Room:
        shared_gradients.room_for = room_for  # the next time there is
        raise torch.OutOfMemoryError("out of memory")

    room_for = shared_gradients.room_for
    accumulate, batch_losses, add = pieces.TokenPiece.accumulate, loss.batch_losses, ProcessGroup.add_each
    if where == "exchange":
        ProcessGroup.add_each = lacks_memory  # type: ignore[method-assign]
    elif where == "room":
        shared_gradients.room_for = lacks_room
    elif where == "step":
        pieces.TokenPiece.accumulate = fails  # type: ignore[method-assign]
    elif where == "evaluation":
        loss.batch_losses = fails
    try:
        yield
    finally:
        pieces.TokenPiece.accumulate = accumulate  # type: ignore[method-assign]
        loss.batch_losses = batch_losses
        ProcessGroup.add_each = add  # type: ignore[method-assign]
        shared_gradients.room_for = room_for


def spoil(what: str | None) -> None:
    """Let something go wrong in this process."""
    accumulate, steps = pieces.TokenPiece.accumulate, 0

    def fails(piece: pieces.TokenPiece, learns: worker.Learner, micro_batch: int) -> pieces.Contribution:
        nonlocal steps
        steps += 1
        if what == "memory" and micro_batch > 1:
            raise torch.OutOfMemoryError("out of memory")
        if what == "loss" and steps == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return accumulate(piece, learns, micro_batch)

    if what in ("memory", "loss"):
        pieces.TokenPiece.accumulate = fails  # type: ignore[method-assign]
    elif what == "late loss":
        take_step = worker.TakeStep.serve

        def ends(message: worker.TakeStep, of: worker.Worker) -> None:
            nonlocal steps
            steps += 1
            take_step(message, of)
            if steps == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        worker.TakeStep.serve = ends  # type: ignore[method-assign]
    elif what == "version":
        worker.code_digest = lambda: "another"


def note_what_is_held(file: Path) -> None:
    """Write into `file` what this process holds of a model that is divided."""
    divide = learner.divide

    def noted(model: RecursiveLM, device: torch.device, processes: int) -> DeviceMesh:
        mesh = divide(model, device, processes)
        weights = list(model.parameters())
        held = sum(weight.to_local().numel() for weight in weights if isinstance(weight, DTensor))
        file.write_text(f"{held} {sum(weight.numel() for weight in weights)}")
        return mesh

    learner.divide = noted


def main(end: Connection) -> None:
    """Be the process that the environment says, and take requests from `end`."""
    faulthandler.enable()  # says where, if it ends without a Python error
    place = placement(os.environ)
    assert place is not None
    torch.set_num_threads(1)
    set_cache_dir(os.environ["RLM_CACHE_DIR"])
    samples.SAMPLE = samples.SAMPLE.changed(max_tokens=6)
    calibrate.Probe.step_s = lambda *_: 0.01  # type: ignore[method-assign]
    if os.environ["PRECISE"]:
        muon.rough_product_format = shared_orthogonalization.rough_product_format = lambda _: "float32"
    note_what_is_held(Path(os.environ["RLM_CACHE_DIR"]) / f"held-{place.rank}")
    group = ProcessGroup.join(place)
    if place.rank > 0:
        spoil(os.environ.get("SPOIL"))
        signals: list[int] = []

        def note(number: int, frame: FrameType | None) -> None:
            signals.append(number)

        signal.signal(signal.SIGINT, note)
        end.send("ready")
        while True:
            worker.Worker(group, was_interrupted=lambda: bool(signals)).work()
            signals.clear()
    end.send("ready")
    while True:
        how, folder, pause_after, where = end.recv()
        try:
            with failing(where):
                last = train_one(group, folder, pause_after, shard=how == "shard")
            end.send(f"ended {last}")
        except (RlmError, ValueError) as error:
            end.send(f"failed {type(error).__name__}: {error}")
