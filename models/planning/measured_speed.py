"""How fast a model trains on this machine as it is now: a few passes of the model itself.

The rule in models/cost/speed.py knows the machine when nothing else runs on it. A plan is for the
machine with the work it has, so the passes are timed for longer than the system gives a process in a row,
and only for a training of less than a minute for a shorter time.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, estimate, sizes
from models.cost.scaling import expected_speedup
from models.cost.speed import with_threads
from models.depth import Depth
from models.device import ABSENT, threads_of_each
from models.processes.placement import ALONE, Processes
from models.recursive_lm import RecursiveLM
from models.runs.run_config import Calibration
from models.training.calibrate import Probe
from models.training.time_budget import TimeBudget

MAX_PARAMETERS = 30_000_000
"""The largest model that is timed. A larger one takes too long, and the rule fits it better."""
TIMED_S = 0.4
"""Seconds of passes at each depth, and half as many of steps of the optimizer."""
TIMED_SHARE = 0.01
"""The share of a training's minutes that this may be."""
GROWTH = 4
"""A pass has so many times as many sequences as the one before, as long as it fits into that time."""


def expected_estimate(
    layout: RecursiveLM, training: TrainingConfig, device: torch.device, processes: Processes = ALONE
) -> Estimate:
    """What `layout`, a skeleton, will cost, with the speed at which so many processes train it: that of one,
    as `measured_estimate` has it, times what is expected of them."""
    of_one = replace(training, threads=threads_of_each(training.threads, processes.here))
    alone = measured_estimate(layout, of_one, device)
    speedup = expected_speedup(processes, device)
    return replace(alone, tokens_per_second=alone.tokens_per_second * speedup)


def measured_estimate(layout: RecursiveLM, training: TrainingConfig, device: torch.device) -> Estimate:
    """What `layout`, a skeleton, will cost, with the mean speed over a training, from passes of the model. It
    takes a second, and less for a short training; threads and random numbers of the process are as before.
    The speed of a model that is not timed is that of the rule."""
    counted, config = sizes(layout, training, device), layout.config
    is_too_large = counted.parameters > MAX_PARAMETERS
    if is_too_large or device == ABSENT or getattr(config, "task", "text") != "text":
        return estimate(layout, training, device)
    with with_threads(training.threads), torch.random.fork_rng(devices=[]):
        seconds = _mean_step_s(config, training, device, counted.number_format.name)
    return replace(counted, tokens_per_second=training.batch_size * config.context_length / seconds)


def _mean_step_s(
    config: ModelConfig, training: TrainingConfig, device: torch.device, number_format: str
) -> float:
    probe = Probe(build_model(config).to(device), training, device)
    timed_s = TIMED_S if training.minutes is None else min(TIMED_S, TIMED_SHARE * 60 * training.minutes)
    most = min(training.batch_size, training.micro_batch or training.batch_size)
    blocks = torch.randint(config.vocab_size, (most, config.context_length + 1))  # (B, T + 1)

    def pass_s(rows: int, depth: Depth) -> float:
        return probe.pass_s(blocks[:rows], depth, number_format)

    deepest, rows = probe.model.trained_depth, 1
    pass_s(rows, deepest)  # to warm up
    while rows < most and GROWTH * pass_s(rows, deepest) <= timed_s:
        rows = min(most, GROWTH * rows)
    share, depths = training.batch_size / rows, (Depth(1), deepest)
    shallow_s, deep_s = (share * _mean_s(partial(pass_s, rows, depth), timed_s) for depth in depths)
    probe.optimizer_s()
    optimizer_s = _mean_s(probe.optimizer_s, timed_s / 2)
    calibration = Calibration(
        device=str(device),
        number_format=number_format,
        compiled=False,
        threads=training.threads,
        micro_batch=rows,
        shallow_step_s=shallow_s + optimizer_s,
        deep_step_s=deep_s + optimizer_s,
    )
    return TimeBudget(probe.model, training, calibration).mean_step_s(0.0)


def _mean_s(timed: Callable[[], float], seconds: float) -> float:
    """The mean of what `timed` returns. It is called until the sum is `seconds`."""
    found = [timed()]
    while sum(found) < seconds:
        found.append(timed())
    return sum(found) / len(found)
