"""How fast a model trains and writes, and how near that is to what the machine can do."""

import copy
import statistics
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import psutil
import torch
from torch import Tensor

from models.benchmark.environment import environment
from models.benchmark.peers import peers, time_peers
from models.benchmark.report import Column, Report, Table, Value
from models.benchmark.timing import timed, written
from models.config import TrainingConfig
from models.cost.counts import newton_schulz_flops, step_flops, used_weights
from models.cost.speed import machine_rates
from models.device import autocast
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, PreparationAdvanced
from models.runs.load import LoadedModel
from models.training.optimizer import Optimizers

_WARM_UP, _STEPS = 2, 9
_NEW_TOKENS = 64
_ROUNDS = 3
_TRAINING = (
    Column("part"),
    Column("ms per step", ".1f", "lower"),
    Column("spread", ".1f"),
    Column("share", ".0%"),
)
_WRITING = (
    Column("case"),
    Column("mode"),
    Column("batch", "d"),
    Column("prompt", "d"),
    Column("tokens/s", ",.0f", "higher"),
    Column("spread", ",.0f"),
    Column("first token ms", ".1f", "lower"),
    Column("of memory speed", ".1%"),
)


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds of the parts of each optimizer step."""

    forward: list[float]
    backward: list[float]
    optimizer: list[float]

    @property
    def steps(self) -> list[float]:
        return [sum(parts) for parts in zip(self.forward, self.backward, self.optimizer, strict=True)]


def benchmark_speed(loaded: LoadedModel, *, with_peers: bool = False) -> Generator[Event, None, Report]:
    """Time training steps of a copy of the model, and its writing at every mode; with `with_peers`, models
    of well-known shapes too.

    The ceiling is measured in the same process: the rate of a large matrix product in the same number
    format, and the speed of memory. Medians after a warm-up; cases of writing take turns.
    """
    model = loaded.model
    device = next(model.parameters()).device
    training = loaded.config.training_config()
    calibration = loaded.config.calibration
    number_format = loaded.number_format
    batch = training.batch_size if calibration is None else min(training.batch_size, calibration.micro_batch)
    yield PreparationAdvanced(stage="measuring the machine", done=0, total=1)
    product_rate = machine_rates(device, training, number_format).products[number_format]
    memory_rate = _memory_rate(device)
    times = yield from _train(copy.deepcopy(model).requires_grad_(True), training, number_format, batch)
    parts, figures = _training_tables(model, training, (number_format, product_rate), batch, times)
    writing = yield from _write(loaded, memory_rate)
    beside: tuple[Table, ...] = ()
    remarks: list[str] = []
    if with_peers:
        others, remarks = peers(copy.deepcopy(model).requires_grad_(True))
        sizes = (batch, model.config.context_length, model.config.vocab_size)
        beside = ((yield from time_peers(others, *sizes, number_format)),)
    return Report(
        kind="speed",
        subject=loaded.run.name,
        environment=environment(device, number_format=number_format, batch=batch),
        tables=(parts, figures, writing, *beside),
        notes=(
            "Training is not compiled here; medians of "
            f"{_STEPS} steps at the trained depth, spread is the distance between quartiles.",
            f"Writing: {_NEW_TOKENS} tokens in float32, medians of {_ROUNDS} rounds; its ceiling is memory, "
            f"copied at {memory_rate / 1e9:.1f} GB/s in the same minute.",
            *remarks,
        ),
    )


def _train(
    model: RecursiveLM, training: TrainingConfig, number_format: str, batch: int
) -> Generator[Event, None, _Times]:
    """Steps on random tokens at the trained depth. They change `model`."""
    device = next(model.parameters()).device
    model.train()
    optimizers = Optimizers(model, replace(training, gradient_clip=1.0), number_format)
    draw = torch.Generator().manual_seed(0)
    times = _Times([], [], [])
    for step in range(_WARM_UP + _STEPS):
        yield PreparationAdvanced(stage="training", done=step, total=_WARM_UP + _STEPS, unit="steps")
        shape = (batch, model.config.context_length + 1)
        rows = torch.randint(0, model.config.vocab_size, shape, generator=draw).to(device)

        def forward(rows: Tensor = rows) -> Tensor:
            with autocast(device, number_format):
                return model.training_loss(rows[:, :-1], rows[:, 1:], model.trained_depth).total

        forward_s, loss = timed(device, forward)
        backward_s, _ = timed(device, optimizers.scaler.scale(loss).backward)
        step_s, _ = timed(device, lambda: optimizers.step(0.0))
        optimizers.zero_grad()
        if step >= _WARM_UP:
            times.forward.append(forward_s)
            times.backward.append(backward_s)
            times.optimizer.append(step_s)
    return times


def _training_tables(
    model: RecursiveLM,
    training: TrainingConfig,
    product: tuple[str, float],
    batch: int,
    times: _Times,
) -> tuple[Table, Table]:
    step_s = statistics.median(times.steps)
    rows: list[tuple[Value, ...]] = []
    for name, values in (
        ("forward", times.forward),
        ("backward", times.backward),
        ("optimizer", times.optimizer),
        ("step", times.steps),
    ):
        middle = statistics.median(values)
        rows.append((name, 1e3 * middle, 1e3 * _spread(values), middle / step_s))
    tokens = batch * model.config.context_length
    flops = tokens * step_flops(model, model.trained_depth).total
    if training.optimizer == "muon":
        flops += newton_schulz_flops(model)
    number_format, ceiling = product
    figures: list[tuple[Value, ...]] = [
        ("training, tokens/s", tokens / step_s),
        ("training, GFLOP/s", flops / step_s / 1e9),
        (f"large {number_format} product, GFLOP/s", ceiling / 1e9),
        ("training, % of that product", 100 * flops / step_s / ceiling),
        ("peak memory of the process, MB", _peak_bytes(next(model.parameters()).device) / 2**20),
    ]
    beside = (Column("figure"), Column("value", ",.1f"))
    return (
        Table("training parts", "The parts of a training step", _TRAINING, tuple(rows)),
        Table("training", "Training beside the machine", beside, tuple(figures)),
    )


def _write(loaded: LoadedModel, memory_rate: float) -> Generator[Event, None, Table]:
    """Generation at every mode: alone and in a batch, after a short and after a long prompt."""
    model = loaded.model
    long = max(2, model.config.context_length - _NEW_TOKENS - 1)
    cases = [
        (mode, depth, batch, prompt)
        for mode, depth in model.modes().items()
        for batch in (1, 8)
        for prompt in sorted({min(8, long), long})
    ]
    speeds: list[list[float]] = [[] for _ in cases]
    firsts: list[list[float]] = [[] for _ in cases]
    for round_number in range(_ROUNDS):
        for place, (_, depth, batch, prompt) in enumerate(cases):
            done = round_number * len(cases) + place
            yield PreparationAdvanced(stage="writing", done=done, total=_ROUNDS * len(cases))
            first_s, rest_s = written(model, loaded.tokenizer, depth, batch, prompt, _NEW_TOKENS)
            firsts[place].append(first_s)
            speeds[place].append(batch * (_NEW_TOKENS - 1) / rest_s)
    rows: list[tuple[Value, ...]] = []
    for (mode, depth, batch, prompt), speed, first in zip(cases, speeds, firsts, strict=True):
        middle = statistics.median(speed)
        # One pass over the weights serves a whole batch, and each application of a block reads its own.
        head = model.config.vocab_size * model.config.d_model
        read = 4 * (used_weights(model, depth) + head) * middle / batch
        rows.append(
            (
                f"{mode}, batch {batch}, prompt {prompt}",
                mode,
                batch,
                prompt,
                middle,
                _spread(speed),
                1e3 * statistics.median(first),
                read / memory_rate,
            )
        )
    return Table("writing", "Writing", _WRITING, tuple(rows))


def _memory_rate(device: torch.device) -> float:
    """Bytes per second that a copy of 64 MB reads and writes, the best of a few."""
    source, target = (torch.zeros(16 << 20, device=device) for _ in range(2))
    best = min(timed(device, lambda: target.copy_(source))[0] for _ in range(6))
    return 2 * source.nbytes / best


def _spread(values: Sequence[float]) -> float:
    """The distance between the quartiles."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return psutil.Process().memory_info().rss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
