"""Choices made by measuring on this machine: number format, compilation, micro-batch, time of a step.

Everything is tried on a copy of the model, so that measuring changes nothing in what is trained. The
result is kept in the run, and a resumed run uses it as it stands.
"""

import copy
import dataclasses
import gc
import math
import time
from collections.abc import Callable, Generator

import torch
from torch import Tensor

from data.document_borders import document_numbers
from data.errors import StorageError
from models.config import TrainingConfig
from models.cost.measurements import keep, recall
from models.cost.number_format import choose_number_format
from models.depth import Depth
from models.device import autocast, is_out_of_memory, synchronize, to_device
from models.layers.compilation import compile_blocks, compiler_problem
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, NoticeGiven, PreparationAdvanced
from models.runs.run_config import Calibration
from models.training.length import Length
from models.training.optimizer import Optimizers

COMPILE_WORTH_S = {"cpu": 1800.0}
"""The shortest training, in seconds, for which trying to compile can pay. On a CPU the trial takes half
a minute and gains a few percent at best."""
COMPILE_WORTH_ELSEWHERE_S = 300.0
COMPILE_REMEMBERED = 0.25
"""The share of that length from which it is remembered whether a training was compiled."""
MANY_STEPS = 1000
"""Assumed where the length is given in epochs."""
TRIES = 3
"""Steps that are timed at a depth, of which the shortest counts."""
TRIES_SHARE = 0.01
"""The share of a training's minutes after which no further one is timed: the plan is corrected on the way."""


def calibrate(
    model: RecursiveLM,
    blocks: Tensor,
    config: TrainingConfig,
    threads: int,
    length: Length,
) -> Generator[Event, None, Calibration]:
    """Try `model` on one batch of `blocks` (B, T + 1), and choose what `config` leaves open.

    Compilation is only tried where the training of `length` is long enough.
    """
    device = next(model.parameters()).device
    probe = Probe(copy.deepcopy(model), config, device)
    yield PreparationAdvanced(stage="measuring", done=0, total=3)
    number_format = choose_number_format(model.config, config, device).name
    yield PreparationAdvanced(stage="measuring", done=1, total=3)
    micro_batch = probe.largest_micro_batch(blocks, config.micro_batch or len(blocks), number_format)
    yield PreparationAdvanced(stage="measuring", done=2, total=3)
    most_s = math.inf if length.budget_s is None else TRIES_SHARE * length.budget_s
    calibration = Calibration(
        device=str(device),
        number_format=number_format,
        compiled=False,
        threads=threads,
        micro_batch=micro_batch,
        shallow_step_s=probe.step_s(blocks, micro_batch, Depth(1), number_format, most_s),
        deep_step_s=probe.step_s(blocks, micro_batch, model.trained_depth, number_format, most_s),
    )
    yield PreparationAdvanced(stage="measuring", done=3, total=3)
    calibration = yield from _compiled_where_it_pays(probe, blocks, config, calibration, length)
    del probe
    gc.collect()
    return calibration


def out_of_memory() -> StorageError:
    """The error where not even one sequence at a time fits into memory."""
    return StorageError(
        "Not even one sequence fits into memory.",
        hint="Choose a smaller model or a shorter context: {model.d_model}, {model.context_length}.",
    )


def _compiled_where_it_pays(
    probe: "Probe", blocks: Tensor, config: TrainingConfig, eager: Calibration, length: Length
) -> Generator[Event, None, Calibration]:
    """`eager`, or what a compiled model takes, where `config` wants it or the training of `length` is long
    enough. A training like an earlier one on this machine is compiled if that one was."""
    if config.compile == "yes":
        return (yield from _calibrate_compiled(probe, blocks, eager, math.inf))
    mean_step_s = 0.5 * (eager.shallow_step_s + eager.deep_step_s)
    steps_s = (length.steps or MANY_STEPS) * mean_step_s
    seconds_ahead = length.budget_s if length.budget_s is not None else steps_s
    worth_s = COMPILE_WORTH_S.get(probe.device.type, COMPILE_WORTH_ELSEWHERE_S)
    if config.compile == "no" or seconds_ahead < COMPILE_REMEMBERED * worth_s:
        return eager
    what = _compiled_training(probe.model, config, eager, length)
    was_compiled = recall(probe.device, what)
    calibration = eager
    if was_compiled is None and seconds_ahead >= worth_s:
        calibration = yield from _calibrate_compiled(probe, blocks, eager, seconds_ahead)
    elif was_compiled:
        calibration = yield from _calibrate_compiled(probe, blocks, eager, math.inf)
    if was_compiled is None:
        keep(probe.device, what, float(calibration.compiled))
    return calibration


def _compiled_training(
    model: RecursiveLM, config: TrainingConfig, eager: Calibration, length: Length
) -> dict[str, object]:
    """What decides whether compiling pays, beside the machine: with it the decision is kept, because a model
    that is compiled rounds otherwise."""
    return {
        "what": "whether to compile",
        "model": {"architecture": model.config.architecture, **dataclasses.asdict(model.config)},
        "training": [config.batch_size, config.micro_batch, config.optimizer],
        "number format": eager.number_format,
        "threads": eager.threads,
        "length": [length.minutes, length.steps, length.epochs],
    }


def _calibrate_compiled(
    probe: "Probe", blocks: Tensor, eager: Calibration, seconds_ahead: float
) -> Generator[Event, None, Calibration]:
    """`eager`, or what a compiled model takes where that pays in the `seconds_ahead`; infinite ones are a
    model that is compiled in any case."""
    problem = compiler_problem(probe.device)
    if problem is not None:
        if seconds_ahead == math.inf:
            yield NoticeGiven(message=f"Not compiled: {problem}.")
        return eager
    yield PreparationAdvanced(stage="compiling", done=0, total=4)
    compile_blocks(probe.model)
    began = time.perf_counter()
    try:
        for number, depth in enumerate((Depth(1), probe.model.trained_depth)):
            loss = probe.loss(blocks[: eager.micro_batch], depth, eager.number_format)
            yield PreparationAdvanced(stage="compiling", done=2 * number + 1, total=4)
            loss.backward()
            yield PreparationAdvanced(stage="compiling", done=2 * number + 2, total=4)
    except Exception as error:  # whatever a compiler raises, the uncompiled model still works
        yield NoticeGiven(message=f"Not compiled: the compiler failed ({type(error).__name__}).")
        return eager
    spent = time.perf_counter() - began
    compiled = dataclasses.replace(
        eager,
        compiled=True,
        shallow_step_s=probe.step_s(blocks, eager.micro_batch, Depth(1), eager.number_format),
        deep_step_s=probe.step_s(blocks, eager.micro_batch, probe.model.trained_depth, eager.number_format),
    )
    gain = 1.0 - (compiled.shallow_step_s + compiled.deep_step_s) / (eager.shallow_step_s + eager.deep_step_s)
    # The real model compiles again, mostly out of the cache that the probe has filled.
    pays = gain * seconds_ahead > 0.5 * spent and gain > 0.05
    return compiled if pays or seconds_ahead == math.inf else eager


class Probe:
    """Times passes and steps of a copy of the model, which is thrown away."""

    def __init__(self, model: RecursiveLM, config: TrainingConfig, device: torch.device) -> None:
        self.model = model.train()
        self.device = device
        self.within_documents = config.within_documents
        self.optimizers = Optimizers(model, config)

    def largest_micro_batch(self, blocks: Tensor, wanted: int, number_format: str) -> int:
        """`wanted` sequences at once, halved until the deepest step fits into memory."""
        size = min(wanted, len(blocks))
        while True:
            try:
                self._pass(blocks[:size], self.model.trained_depth, number_format)
                return size
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise out_of_memory() from error
                self.optimizers.zero_grad()
                size //= 2

    def step_s(
        self,
        blocks: Tensor,
        micro_batch: int,
        depth: Depth,
        number_format: str,
        most_s: float = math.inf,
    ) -> float:
        """Seconds for one whole optimizer step at `depth`: the shortest of a few, which take `most_s` seconds
        and a step at most."""

        def step() -> None:
            for micro in blocks.split(micro_batch):
                self._pass(micro, depth, number_format)
            self.optimizers.step(0.0)
            self.optimizers.zero_grad()

        tries = [self._clock(step)]
        while len(tries) < TRIES and sum(tries) < most_s:
            tries.append(self._clock(step))
        return min(tries)

    def pass_s(self, rows: Tensor, depth: Depth, number_format: str) -> float:
        """Seconds for one forward and backward pass of `rows` (B, T + 1)."""
        return self._clock(lambda: self._pass(rows, depth, number_format))

    def optimizer_s(self) -> float:
        """Seconds for one step of the optimizers, with the gradients there are."""
        return self._clock(lambda: self.optimizers.step(0.0))

    def loss(self, rows: Tensor, depth: Depth, number_format: str) -> Tensor:
        """The loss (scalar) of a few sequences (B, T + 1)."""
        documents = list[Tensor]()
        if self.within_documents:
            numbers = document_numbers(rows[:, :-1].numpy())
            documents.append(to_device(torch.from_numpy(numbers), self.device))  # (B, T)
        rows = to_device(rows, self.device)
        with autocast(self.device, number_format):
            return self.model.training_loss(rows[:, :-1], rows[:, 1:], depth, *documents).total

    def _pass(self, rows: Tensor, depth: Depth, number_format: str) -> None:
        self.loss(rows, depth, number_format).backward()

    def _clock(self, action: Callable[[], None]) -> float:
        synchronize(self.device)
        began = time.perf_counter()
        action()
        synchronize(self.device)
        return time.perf_counter() - began
