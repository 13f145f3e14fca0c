"""What suits this machine, found out by trying: the number format, how many puzzles at once, the pace."""

import copy
import dataclasses
import gc
import time
from collections.abc import Generator

from models.architectures.puzzle_model import PuzzleModel
from models.config import TrainingConfig
from models.device import is_out_of_memory, likely_formats, synchronize
from models.runs.events import Event, NoticeGiven, PreparationAdvanced
from models.training.calibrate import Measured, no_room_for_one
from models.training.compilation import compile_blocks, compiler_problem
from models.training.puzzles.sampler import PuzzleDraws
from models.training.puzzles.session import PuzzleSession


def measure_puzzles(
    model: PuzzleModel, config: TrainingConfig, draws: PuzzleDraws, threads: int
) -> Generator[Event, None, Measured]:
    """Take steps with copies of `model`, and settle what was left to measurement.

    Puzzle models are small and their steps all alike: compiling is only done where it is asked for.
    """
    device = next(model.parameters()).device
    formats = likely_formats(device) if config.number_format == "auto" else [config.number_format]
    found: list[Measured] = []
    for number, number_format in enumerate(formats):
        yield PreparationAdvanced(stage="measuring", done=number, total=len(formats))
        start = Measured(
            device=str(device),
            number_format=number_format,
            compiled=False,
            threads=threads,
            micro_batch=config.micro_batch or config.batch_size,
            shallow_step_s=1.0,
            deep_step_s=1.0,
        )
        found.append(_tried(model, config, draws, start))
    best = min(found, key=lambda one: one.deep_step_s)
    yield PreparationAdvanced(stage="measuring", done=len(formats), total=len(formats))
    if config.compile == "yes":
        if (problem := compiler_problem(device)) is not None:
            yield NoticeGiven(message=f"Not compiled: {problem}.")
        else:
            yield PreparationAdvanced(stage="compiling", done=0, total=1)
            best = _tried(model, config, draws, dataclasses.replace(best, compiled=True))
            yield PreparationAdvanced(stage="compiling", done=1, total=1)
    gc.collect()
    return best


def _tried(model: PuzzleModel, config: TrainingConfig, draws: PuzzleDraws, start: Measured) -> Measured:
    """`start` with the micro-batch that fits and the time of a step, the better of two."""
    session = PuzzleSession(copy.deepcopy(model), config, draws, start)
    if start.compiled:
        compile_blocks(session.model)
    seconds: list[float] = []
    while len(seconds) < 3:
        began = time.perf_counter()
        try:
            session.step()
            synchronize(session.device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if session.measured.micro_batch == 1:
                raise no_room_for_one() from error
            session.halve_micro_batch()
            continue
        seconds.append(time.perf_counter() - began)
    step_s = min(seconds[1:])
    return dataclasses.replace(session.measured, shallow_step_s=step_s, deep_step_s=step_s)
