"""How fast a machine trains a model: a rule from the model's sizes and a few rates of the machine.

A step's matrix products run near the rate of a large one, whatever their shape. Everything between
them (norms, rotations, activations, the cross-entropy, sums of gradients) is a pass over memory, and
narrow models spend most of their time there. Each call of a block and each step has a fixed cost on
top. The constants are fitted to steps of the presets, in float32 and bfloat16, on one and two cores of
a CPU; most of the steps took 0.7 to 1.4 times what the rule says.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import TrainingConfig
from models.cost.counts import (
    gradient_share,
    muon_weights,
    newton_schulz_flops,
    projected_width,
    step_flops,
)
from models.cost.number_format import rough_product_format
from models.depth import Depth
from models.device import synchronize
from models.recursive_lm import RecursiveLM

_MATRIX = 768
_ELEMENTS = 16 << 20
_DRAWS = 1 << 20
_REPEATS = 4
_PRODUCTS = 1.4
"""Time of a model's matrix products, where that of one large product is 1."""
_PASSES = {"float32": (90, 64, 75), "bfloat16": (180, 70, 100), "float16": (180, 70, 100)}
"""Passes over memory, forward and backward, in bytes per token: for each unit of the width and of the
feed-forward projection in a call of a block, and for each logit. Mixed precision adds casts."""
_CALL_S = 0.3e-3
"""Of one call of a block, forward and backward, however few tokens it has."""
_MATRIX_WEIGHT_BYTES, _WEIGHT_BYTES = 80, 10
"""Passes over memory of the optimizer: for each weight that Muon steps, and that AdamW steps."""
_STEP_S = 1.5e-3


@dataclass(frozen=True, slots=True)
class MachineRates:
    """Floating-point operations per second of a large matrix product, by number format, and of those that
    make Muon's updates; bytes per second of a product element by element into new memory; random numbers
    per second, as dropout draws them."""

    products: dict[str, float]
    updates: float
    memory: float
    draws: float


def machine_rates(device: torch.device, training: TrainingConfig, number_format: str) -> MachineRates:
    """Measure `device` with the threads of `training`, in a fifth of a second. The threads of the
    process are as before when it returns."""
    with with_threads(training.threads):
        rough = rough_product_format(device) if training.optimizer == "muon" else number_format
        products = {name: _product_rate(device, name) for name in {number_format, rough}}
        return MachineRates(products, products[rough], _memory_rate(device), _draw_rate(device))


def step_seconds(
    model: RecursiveLM, training: TrainingConfig, depth: Depth, number_format: str, rates: MachineRates
) -> float:
    """Seconds for one optimizer step at `depth`. `model` may be a skeleton."""
    config, calls = model.config, model.attention_calls(depth)
    tokens = training.batch_size * config.context_length
    pieces = -(-training.batch_size // min(training.batch_size, training.micro_batch or training.batch_size))
    products = _PRODUCTS * tokens * step_flops(model, depth).total / rates.products[number_format]
    learned = (1 + 2 * gradient_share(model, depth)) / 3
    of_width, of_projection, of_logit = _PASSES[number_format]
    block_bytes = of_width * config.d_model + of_projection * projected_width(model)
    logit_bytes = of_logit * config.vocab_size * model.readouts(depth)
    passes = tokens * (learned * calls * block_bytes + logit_bytes) / rates.memory
    drawn = 2 * tokens * calls * config.d_model / rates.draws if config.dropout else 0.0
    fixed = pieces * calls * _CALL_S
    return products + passes + drawn + fixed + optimizer_seconds(model, training, rates)


def optimizer_seconds(model: RecursiveLM, training: TrainingConfig, rates: MachineRates) -> float:
    """Seconds that one step of the optimizer takes."""
    moved = optimizer_bytes(model, training) / rates.memory
    return update_seconds(model, training, rates) + moved + _STEP_S


def update_seconds(model: RecursiveLM, training: TrainingConfig, rates: MachineRates) -> float:
    """Seconds of these for the products that make Muon's updates orthogonal."""
    return _PRODUCTS * newton_schulz_flops(model) / rates.updates if training.optimizer == "muon" else 0.0


def optimizer_bytes(model: RecursiveLM, training: TrainingConfig) -> float:
    """Bytes that one step of the optimizer reads and writes, besides those products."""
    total = model.parameter_counts()[0]
    matrices = muon_weights(model) if training.optimizer == "muon" else 0
    return _MATRIX_WEIGHT_BYTES * matrices + _WEIGHT_BYTES * (total - matrices)


def _product_rate(device: torch.device, number_format: str) -> float:
    a = torch.full((_MATRIX, _MATRIX), 0.01, device=device).to(getattr(torch, number_format))
    return 2.0 * _MATRIX**3 / _shortest(device, lambda: a @ a)


def _memory_rate(device: torch.device) -> float:
    a = torch.ones(_ELEMENTS, device=device)
    return 12.0 * _ELEMENTS / _shortest(device, lambda: a * a)


def _draw_rate(device: torch.device) -> float:
    mask = torch.empty(_DRAWS, device=device)
    generator = torch.Generator(device)
    return _DRAWS / _shortest(device, lambda: mask.bernoulli_(0.5, generator=generator))


def _shortest(device: torch.device, action: Callable[[], Tensor]) -> float:
    """Seconds of the shortest of a few tries."""
    best = float("inf")
    for _ in range(_REPEATS):
        synchronize(device)
        began = time.perf_counter()
        action()
        synchronize(device)
        best = min(best, time.perf_counter() - began)
    return best


@contextlib.contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Use `count` threads inside the context; 0 changes nothing."""
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
