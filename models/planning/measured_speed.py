"""How fast a model trains on this machine as it is now: a few passes of the model itself.

The rule in models/cost/speed.py knows the machine when nothing else runs on it. A plan is for the
machine with the work it has, so the passes are timed for longer than the system gives a process in a row.
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig
from models.cost.estimate import Estimate, estimate
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
PASS_S = 0.1
"""Seconds that one pass takes, about. The number of sequences is chosen for it."""


def expected_estimate(
    layout: RecursiveLM, training: TrainingConfig, device: torch.device, processes: Processes = ALONE
) -> Estimate:
    """What `layout`, a skeleton, will cost, with the speed at which so many processes train it: that of one,
    as `with_measured_speed` has it, times what is expected of them."""
    of_one = replace(training, threads=threads_of_each(training.threads, processes.here))
    alone = with_measured_speed(estimate(layout, of_one, device), layout.config, of_one, device)
    speedup = expected_speedup(processes, device)
    return replace(alone, tokens_per_second=alone.tokens_per_second * speedup)


def with_measured_speed(
    expected: Estimate, config: ModelConfig, training: TrainingConfig, device: torch.device
) -> Estimate:
    """`expected` with the mean speed over a training, from passes of the model. It takes one to two seconds;
    threads and random numbers of the process are as before."""
    is_too_large = expected.parameters > MAX_PARAMETERS
    if is_too_large or device == ABSENT or getattr(config, "task", "text") != "text":
        return expected
    with with_threads(training.threads), torch.random.fork_rng(devices=[]):
        seconds = _mean_step_s(expected, config, training, device)
    return replace(expected, tokens_per_second=training.batch_size * config.context_length / seconds)


def _mean_step_s(
    expected: Estimate, config: ModelConfig, training: TrainingConfig, device: torch.device
) -> float:
    probe = Probe(build_model(config).to(device), training, device)
    fitting = int(PASS_S * expected.tokens_per_second / config.context_length)
    rows = max(1, min(fitting, training.batch_size, training.micro_batch or training.batch_size))
    blocks = torch.randint(config.vocab_size, (rows, config.context_length + 1))  # (b, T + 1)
    name, share = expected.number_format.name, training.batch_size / rows

    def pass_s(depth: Depth) -> float:
        return share * _mean_s(lambda: probe.pass_s(blocks, depth, name), TIMED_S)

    shallow_s, deep_s = pass_s(Depth(1)), pass_s(probe.model.trained_depth)
    optimizer_s = _mean_s(probe.optimizer_s, TIMED_S / 2)
    calibration = Calibration(
        device=str(device),
        number_format=name,
        compiled=False,
        threads=training.threads,
        micro_batch=rows,
        shallow_step_s=shallow_s + optimizer_s,
        deep_step_s=deep_s + optimizer_s,
    )
    return TimeBudget(probe.model, training, calibration).mean_step_s(0.0)


def _mean_s(timed: Callable[[], float], seconds: float) -> float:
    """The mean of what `timed` returns. It is called once to warm up, then until the sum is `seconds`."""
    timed()
    found: list[float] = []
    while sum(found) < seconds:
        found.append(timed())
    return sum(found) / len(found)
