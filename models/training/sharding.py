"""What a training needs before its processes can divide the weights among them, and how it is measured.

No process has room for all of the model, so nothing is tried on a copy of it: the steps that are timed are
those of all processes together.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from data.errors import StorageError, UsageError
from models.config import TrainingConfig
from models.cost.estimate import sequences_at_once
from models.cost.number_format import choose_number_format
from models.depth import Depth
from models.device import synchronize
from models.processes.placement import require_others
from models.recursive_lm import RecursiveLM
from models.runs.run_config import Calibration
from models.training.calibrate import out_of_memory

if TYPE_CHECKING:
    from models.training.session import Session

_TRIES = 2


def require_shardable(training: TrainingConfig, processes: int, *, solves_puzzles: bool = False) -> None:
    """Raise UsageError for a training whose weights `processes` cannot divide among them."""
    require_others(processes)
    if solves_puzzles:
        raise UsageError(
            "A model that learns puzzles cannot be divided among processes.",
            hint="Leave --shard out: these models are small.",
        )
    if training.grow_every is not None:
        raise UsageError(
            "A model that is divided among processes cannot grow while it learns.",
            hint="Leave out --shard or {training.grow_every}.",
        )
    if training.number_format == "float16":
        raise UsageError(
            "A model that is divided among processes cannot learn in float16.",
            hint="Choose {training.number_format=bfloat16} or {training.number_format=float32}.",
        )
    if training.batch_size % processes:
        raise UsageError(
            f"A batch of {training.batch_size} cannot be divided evenly among {processes} processes, as "
            "--shard needs it.",
            hint=f"Choose a {{training.batch_size}} that is a multiple of {processes}.",
        )


def require_fit(calibration: Calibration) -> None:
    """Raise UsageError for a run whose steps were in float16 so far."""
    if calibration.number_format == "float16":
        raise UsageError(
            "The run learned in float16, and a model that is divided among processes cannot.",
            hint="Go on without --shard.",
        )


def no_room_for_pieces(micro_batch: int) -> StorageError:
    """The error where a process has too little memory for a step of `micro_batch` sequences at a time. The
    others are in the same step, and it cannot be tried again in smaller pieces."""
    if micro_batch == 1:
        return out_of_memory()
    return StorageError(
        f"{micro_batch} sequences at once do not fit into the memory of a process.",
        hint=f"Train in more processes, or anew with {{training.micro_batch={micro_batch // 2}}}.",
    )


def calibration_to_measure(
    layout: RecursiveLM, training: TrainingConfig, device: torch.device, threads: int, processes: int
) -> Calibration:
    """What a training in parts can decide before it has a model; `measured` has its times. `layout` is a
    skeleton."""
    number_format = choose_number_format(layout.config, training, device).name
    share = training.batch_size // processes
    fitting = sequences_at_once(layout, training, device, processes)
    return Calibration(
        device=str(device),
        number_format="float32" if number_format == "float16" else number_format,
        compiled=False,
        threads=threads,
        micro_batch=min(share, training.micro_batch or share, fitting),
        shallow_step_s=1.0,
        deep_step_s=1.0,
        processes=processes,
    )


def measured(session: "Session") -> Calibration:
    """The calibration of `session` with the seconds of a step. Its weights stay as they are, and its moments
    and its average are as before the first step."""
    learner, initial = session.learner, session.calibration
    seconds = [_step_s(session, Depth(1)), _step_s(session, session.model.trained_depth)]
    learner.forget_steps()
    session.team.seconds = ()
    return replace(initial, shallow_step_s=seconds[0], deep_step_s=seconds[1])


def _step_s(session: "Session", depth: Depth) -> float:
    """Seconds of one step of all processes at `depth`, the better of a few; the rates are 0."""
    found = []
    for _ in range(_TRIES):
        synchronize(session.device)
        began = time.perf_counter()
        session.optimizers.zero_grad()
        session.task.backward(session, depth)
        session.optimizers.clip_gradient()
        session.take_step(0.0)
        synchronize(session.device)
        found.append(time.perf_counter() - began)
    return min(found)
