"""Choices made by measuring on this machine, for puzzles: number format, puzzles at once, time of a step."""

import copy
import dataclasses
import gc
import time
from collections.abc import Callable, Generator

from models.architectures.puzzle_model import PuzzleModel
from models.config import TrainingConfig
from models.cost.number_format import choose_number_format
from models.device import is_out_of_memory, synchronize
from models.layers.compilation import compiler_problem
from models.runs.events import Event, NoticeGiven, PreparationAdvanced
from models.runs.run_config import Calibration
from models.training.calibrate import out_of_memory
from models.training.learner import Learner

Backward = Callable[[Learner, Calibration], object]
"""One supervision step with gradients, by a model that is thrown away."""


def calibrate_puzzles(
    model: PuzzleModel, config: TrainingConfig, threads: int, backward: Backward
) -> Generator[Event, None, Calibration]:
    """Take steps with copies of `model`, and choose what `config` leaves open.

    Puzzle models are small and their steps all alike: they are compiled only where `config` says so.
    """
    device = next(model.parameters()).device
    yield PreparationAdvanced(stage="measuring", done=0, total=1)
    start = Calibration(
        device=str(device),
        number_format=choose_number_format(model.config, config, device).name,
        compiled=False,
        threads=threads,
        micro_batch=config.micro_batch or config.batch_size,
        shallow_step_s=1.0,
        deep_step_s=1.0,
    )
    best = _timed(model, config, start, backward)
    yield PreparationAdvanced(stage="measuring", done=1, total=1)
    if config.compile == "yes":
        if (problem := compiler_problem(device)) is not None:
            yield NoticeGiven(message=f"Not compiled: {problem}.")
        else:
            yield PreparationAdvanced(stage="compiling", done=0, total=1)
            best = _timed(model, config, dataclasses.replace(best, compiled=True), backward)
            yield PreparationAdvanced(stage="compiling", done=1, total=1)
    gc.collect()
    return best


def _timed(model: PuzzleModel, config: TrainingConfig, start: Calibration, backward: Backward) -> Calibration:
    """`start` with the micro-batch that fits and the time of a step, the better of two."""
    probe = copy.deepcopy(model).train()
    learner = Learner(probe, config, start.number_format, compiled=start.compiled)
    optimizers = learner.optimizers
    seconds: list[float] = []
    while len(seconds) < 3:
        began = time.perf_counter()
        optimizers.zero_grad()
        try:
            backward(learner, start)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if start.micro_batch == 1:
                raise out_of_memory() from error
            start = dataclasses.replace(start, micro_batch=max(1, start.micro_batch // 2))
            continue
        optimizers.clip_gradient()
        optimizers.step(0.0)
        synchronize(next(probe.parameters()).device)
        seconds.append(time.perf_counter() - began)
    step_s = min(seconds[1:])
    return dataclasses.replace(start, shallow_step_s=step_s, deep_step_s=step_s)
