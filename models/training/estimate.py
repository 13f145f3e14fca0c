"""What a model will cost, before it is trained: exact parameters, rough memory and speed."""

import time
from dataclasses import dataclass

import torch

from models.architectures import build_model
from models.config import ModelConfig, TrainingConfig
from models.device import likely_formats, prepare_process
from models.recursive_lm import RecursiveLM

_MATRIX = 1024
_EFFICIENCY = 0.3
"""Share of a plain matrix product's rate that training reaches: the rest is memory traffic."""
_ACTIVATION_BYTES = 40
"""Per token, width and attention call, kept for the backward pass."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`parameters` are exact, the rest is good to a factor of two."""

    parameters: int
    embedding_parameters: int
    training_bytes: int
    tokens_per_second: float


def skeleton(config: ModelConfig) -> RecursiveLM:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return build_model(config)


def estimate(config: ModelConfig, training: TrainingConfig, device: torch.device) -> Estimate:
    """Count the parameters, and time one matrix product for the speed. Takes a tenth of a second."""
    model = skeleton(config)
    total, embedding = model.parameter_counts()
    blocks = total - embedding
    calls = model.attention_calls(model.trained_depth)
    distinct = len({id(part) for part in model.modules() if hasattr(part, "qkv")})
    mean_calls = (
        calls if not model.recursive else 0.5 * (calls + model.attention_calls(type(model.trained_depth)(1)))
    )
    flops_per_token = 6 * blocks * mean_calls / max(1, distinct)
    tokens = (training.micro_batch or training.batch_size) * config.context_length
    states = 4 if training.optimizer == "adamw" else 3
    return Estimate(
        parameters=total,
        embedding_parameters=embedding,
        training_bytes=total * 4 * states + tokens * config.d_model * calls * _ACTIVATION_BYTES,
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
