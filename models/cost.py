"""What a model will cost, before it is trained: exact parameters, rough memory and speed."""

import time
from dataclasses import dataclass

import torch

from data.errors import UsageError
from models.config import TrainingConfig
from models.device import free_memory_bytes, likely_formats, prepare_process
from models.recursive_lm import RecursiveLM

_MATRIX = 1024
_EFFICIENCY = 0.3
"""Share of a plain matrix product's rate that training reaches: the rest is memory traffic."""
_WIDTH_BYTES, _FEED_FORWARD_BYTES = 52, 12
"""Per token and attention call, kept for the backward pass: for each unit of the width, and of the
feed-forward network. Between what float32 and bfloat16 keep, on the average of the architectures."""
_LOGIT_BYTES = 12
"""Per token and entry of the vocabulary: logits, their probabilities, their gradient."""
_TOKEN_BYTES = 16
"""Per token of a batch: its number, and once more while it is gathered."""
_STATES = {"adamw": 4, "muon": 3}
"""Numbers for each weight: itself, its gradient, and what the optimizer keeps of it."""
_SHARE_FOR_PIECES = 0.5
"""Of the memory that weights leave free, what sequences may take at once. The estimate is rough."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`parameters` are exact, the rest is good to a factor of two."""

    parameters: int
    embedding_parameters: int
    training_bytes: int
    tokens_per_second: float


def require_memory(
    model: RecursiveLM, training: TrainingConfig, device: torch.device, *, pieces: bool = True
) -> None:
    """Refuse a training whose weights, gradients, optimizer, batch and shortest piece of work
    do not fit into the memory that `device` has left. `model` may be a skeleton; `pieces` says
    whether the batch counts. Raises UsageError."""
    config = model.config
    needed = _state_bytes(model, training)
    if pieces:
        needed += _sequence_bytes(model) + training.batch_size * config.context_length * _TOKEN_BYTES
    free = free_memory_bytes(device)
    if needed > free:
        raise UsageError(
            f"Training this model needs at least {_gigabytes(needed)} of memory, and {_gigabytes(free)} "
            f"are free on {device}.",
            hint="Choose a smaller width, context, vocabulary or batch: {model.d_model}, "
            "{model.context_length}, {model.vocab_size}, {training.batch_size}.",
        )


def sequences_at_once(model: RecursiveLM, training: TrainingConfig, device: torch.device) -> int:
    """How many sequences a step should take at a time so that they fit into memory, at least one."""
    free = free_memory_bytes(device) - _state_bytes(model, training)
    return max(1, int(_SHARE_FOR_PIECES * free / _sequence_bytes(model)))


def pieces_for_larger(
    model: RecursiveLM, training: TrainingConfig, device: torch.device, micro_batch: int
) -> int:
    """The sequences at once of a model that grew: as many as before, `micro_batch`, where they still fit."""
    return min(micro_batch, sequences_at_once(model, training, device))


def _state_bytes(model: RecursiveLM, training: TrainingConfig) -> int:
    return 4 * _STATES[training.optimizer] * model.parameter_counts()[0]


def _sequence_bytes(model: RecursiveLM) -> int:
    config = model.config
    return config.context_length * (_activation_bytes(model) + config.vocab_size * _LOGIT_BYTES)


def _activation_bytes(model: RecursiveLM) -> int:
    """Of one token, at the trained depth."""
    config, calls = model.config, model.attention_calls(model.trained_depth)
    return calls * (config.d_model * _WIDTH_BYTES + config.size_of("ff") * _FEED_FORWARD_BYTES)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


def estimate(model: RecursiveLM, training: TrainingConfig, device: torch.device) -> Estimate:
    """Count the parameters, and time one matrix product for the speed. `model` may be a skeleton. Takes a
    tenth of a second."""
    total, embedding = model.parameter_counts()
    blocks = total - embedding
    calls = model.attention_calls(model.trained_depth)
    distinct = len({id(part) for part in model.modules() if hasattr(part, "attention")})
    mean_calls = (
        calls if not model.recursive else 0.5 * (calls + model.attention_calls(type(model.trained_depth)(1)))
    )
    flops_per_token = 6 * blocks * mean_calls / max(1, distinct)
    tokens = (training.micro_batch or training.batch_size) * model.config.context_length
    return Estimate(
        parameters=total,
        embedding_parameters=embedding,
        training_bytes=_state_bytes(model, training) + tokens * _activation_bytes(model),
        tokens_per_second=_EFFICIENCY * _matrix_rate(device, training.threads) / max(1, flops_per_token),
    )


def _matrix_rate(device: torch.device, threads: int) -> float:
    """Floating-point operations per second of one matrix product in the likely format."""
    prepare_process(threads)
    dtype = getattr(torch, likely_formats(device)[-1])
    a = torch.randn(_MATRIX, _MATRIX, device=device).to(dtype)
    best = float("inf")
    for _ in range(4):
        began = time.perf_counter()
        float((a @ a)[0, 0])  # reading one number waits for the device
        best = min(best, time.perf_counter() - began)
    return 2.0 * _MATRIX**3 / best
