"""What a model will cost, before it is trained: exact parameters, rough memory and speed."""

import math
from dataclasses import dataclass, replace

import torch

from data.errors import UsageError
from data.wording import byte_size
from models.config import TrainingConfig
from models.cost.counts import kept_bytes, logit_bytes, muon_weights, state_bytes
from models.cost.number_format import NumberFormat, choose_number_format
from models.cost.speed import MachineRates, machine_rates, step_seconds
from models.device import ABSENT, free_memory_bytes
from models.recursive_lm import RecursiveLM

_WIDTH_BYTES, _FEED_FORWARD_BYTES = 52, 12
"""Per token and attention call, kept for the backward pass: for each unit of the width, and of the
feed-forward network. Between what float32 and bfloat16 keep, on the average of the architectures."""
_TOKEN_BYTES = 16
"""Per token of a batch: its number, and once more while it is gathered."""
_ALLOCATED = 1.2
"""What an allocator takes for what is kept for the backward pass, where what is asked for is 1."""
_MUON_BYTES = 20
"""For each weight that Muon steps: the updates, once more stacked by shape, and what they are made of."""
_SHARE_FOR_PIECES = 0.5
"""Of the memory that weights leave free, what sequences may take at once. The estimate is rough."""
_SMALLER_SETTINGS = (
    "Choose a smaller width, context, vocabulary or batch: {model.d_model}, {model.context_length}, "
    "{model.vocab_size}, {training.batch_size}."
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """`parameters` are exact, the rest is mostly good to a factor of one and a half. `tokens_per_second` is
    nan where it is not known."""

    parameters: int
    embedding_parameters: int
    training_bytes: int
    tokens_per_second: float
    number_format: NumberFormat


def require_memory(
    model: RecursiveLM,
    training: TrainingConfig,
    device: torch.device,
    *,
    pieces: bool = True,
    shards: int = 1,
    hint: str = _SMALLER_SETTINGS,
) -> None:
    """Refuse a training whose weights, gradients, optimizer, batch and shortest piece of work
    do not fit into the memory that `device` has left. `model` may be a skeleton; `pieces` says
    whether the batch counts; `shards` is the number of processes that divide the weights, each on a device of
    its own if that is a GPU. Raises UsageError with `hint`."""
    config = model.config
    needed = _state_bytes(model, training, device, shards)
    if pieces:
        needed += _sequence_bytes(model) + training.batch_size * config.context_length * _TOKEN_BYTES
    free = free_memory_bytes(device)
    if needed > free:
        raise UsageError(
            f"Training this model needs at least {byte_size(needed)} of memory, and {byte_size(free)} "
            f"are free on {device}.",
            hint=hint,
        )


def sequences_at_once(
    model: RecursiveLM, training: TrainingConfig, device: torch.device, shards: int = 1
) -> int:
    """How many sequences a step should take at a time so that they fit into memory, at least one. `shards`
    is as in `require_memory`."""
    return sequences_in(model, training, free_memory_bytes(device), 1 if device.type == "cpu" else shards)


def sequences_in(model: RecursiveLM, training: TrainingConfig, memory: float, shards: int = 1) -> int:
    """The same for so many bytes of memory, which no other one of `shards` processes shares."""
    free = memory - state_bytes(model, training) // shards
    return max(1, int(_SHARE_FOR_PIECES * free / _sequence_bytes(model)))


def pieces_for_larger(
    model: RecursiveLM, training: TrainingConfig, device: torch.device, micro_batch: int
) -> int:
    """The sequences at once of a model that grew: as many as before, `micro_batch`, where they still fit."""
    return min(micro_batch, sequences_at_once(model, training, device))


def _state_bytes(model: RecursiveLM, training: TrainingConfig, device: torch.device, shards: int) -> int:
    """What is on `device` of weights, gradients and moments. The processors of a machine have one memory."""
    return state_bytes(model, training) // (1 if device.type == "cpu" else shards)


def _sequence_bytes(model: RecursiveLM) -> int:
    config = model.config
    return config.context_length * (_activation_bytes(model) + logit_bytes(model))


def _activation_bytes(model: RecursiveLM) -> int:
    """Of one token, at the trained depth."""
    config, calls = model.config, model.attention_calls(model.trained_depth)
    return calls * (config.d_model * _WIDTH_BYTES + config.size_of("ff") * _FEED_FORWARD_BYTES)


def sizes(model: RecursiveLM, training: TrainingConfig, device: torch.device) -> Estimate:
    """Count the parameters and the memory, without a look at the speed of the machine. `model` may be a
    skeleton."""
    total, embedding = model.parameter_counts()
    number_format = choose_number_format(model.config, training, device)
    return Estimate(
        parameters=total,
        embedding_parameters=embedding,
        training_bytes=training_bytes(model, training, number_format.name),
        tokens_per_second=math.nan,
        number_format=number_format,
    )


def training_bytes(model: RecursiveLM, training: TrainingConfig, number_format: str) -> int:
    """The memory that training takes, as in `Estimate`. `model` may be a skeleton."""
    at_once = min(training.micro_batch or training.batch_size, training.batch_size)
    # Autocast holds the weights in its format too.
    copies = 0 if number_format == "float32" else 2 * model.parameter_counts()[0]
    held = _ALLOCATED * kept_bytes(model, number_format) + logit_bytes(model)  # of a token
    worked_with = _MUON_BYTES * muon_weights(model) if training.optimizer == "muon" else 0
    tokens = at_once * model.config.context_length
    return round(state_bytes(model, training) + copies + worked_with + tokens * held)


def estimate(model: RecursiveLM, training: TrainingConfig, device: torch.device) -> Estimate:
    """`sizes` with the speed, from a few rates of the machine, which takes a fifth of a second.

    `model` may be a skeleton. Of an absent device the speed is nan.
    """
    counted = sizes(model, training, device)
    if device == ABSENT:
        return counted
    number_format = counted.number_format.name
    rates = machine_rates(device, training, number_format)
    seconds = _mean_step_seconds(model, training, number_format, rates)
    tokens = training.batch_size * model.config.context_length
    return replace(counted, tokens_per_second=tokens / seconds)


def _mean_step_seconds(
    model: RecursiveLM, training: TrainingConfig, number_format: str, rates: MachineRates
) -> float:
    """Of a step, half-way between the least depth and the trained one, as training draws them."""
    depths = (type(model.trained_depth)(1), model.trained_depth)
    return sum(step_seconds(model, training, depth, number_format, rates) for depth in depths) / len(depths)
