"""What a step costs in several processes: what is computed, what is exchanged, and what that takes.

It is a calculation: nothing is sent. The exchanges are those of models/training/shared_gradients.py,
models/training/shared_orthogonalization.py and models/training/team.py, one after another and never while
something is computed. All processes are taken to be equally fast, and none to slow down another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from models.config import TrainingConfig
from models.cost.counts import matrix_shapes, muon_weights, newton_schulz_flops, step_flops
from models.cost.estimate import training_bytes
from models.cost.machines import Link, Machine
from models.cost.speed import MachineRates, optimizer_bytes, optimizer_seconds, update_seconds
from models.device import core_count
from models.processes.placement import Processes
from models.recursive_lm import RecursiveLM

BUCKET = 2**23
"""Numbers that are added up at once."""
MESSAGE_BYTES = 2**17 + 16
"""Of a message of process 0: as many are sent for any smaller one."""
_MESSAGES = 2
"""In a step: the rows of its batch, and that the step is to be taken."""
_TOKEN_BYTES = 16
"""Its number and that of its target."""
_OUTCOME_BYTES, _OUTCOMES = 8, 4
"""Each process adds up whether a gradient is there for each parameter, the seconds of each process, and four
numbers more."""
_NUMBER_BYTES, _HALF_BYTES = 4, 2
MOST_PROCESSES = 4096
"""Up to so many, a crossover is looked for."""
REACHED = 0.7
"""Of their number times the speed of one, what several processes are expected to reach. Two on one machine
were measured at 70 % with a small batch, and at 78 % with a large one (docs/distributed.md); the formulas
below promise more."""


@dataclass(frozen=True, slots=True)
class StepWork:
    """Seconds of one step in one process: of the gradients of the whole batch, of making Muon's updates
    orthogonal, and of the rest of the optimizer, which every process does for itself."""

    gradients_s: float
    updates_s: float
    undivided_s: float

    @property
    def total_s(self) -> float:
        return self.gradients_s + self.updates_s + self.undivided_s


@dataclass(frozen=True, slots=True)
class Shape:
    """What the division of a step depends on."""

    sequences: int
    tokens: int
    """Of one sequence."""
    parameters: int
    tensors: int
    """Into which the parameters are divided."""
    updates: int
    """Weights that Muon steps."""
    update_bytes: int
    """Of each number of its updates."""
    matrices: tuple[float, ...]
    """What each matrix that Muon makes orthogonal costs, in any unit."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A step in so many processes. `efficiency` is its speed as a share of that many times the speed of one
    process."""

    processes: int
    tokens: int
    bytes_exchanged: float
    computing_s: float
    exchanging_s: float
    tokens_per_second: float
    efficiency: float


def expected_speedup(processes: Processes, device: torch.device) -> float:
    """How many times the speed of one process a plan expects of so many. On a processor, those of a machine
    that are more than its cores add nothing."""
    if processes.count == 1:
        return 1.0
    share = min(1.0, core_count() / processes.here) if device.type == "cpu" else 1.0
    return REACHED * processes.count * share


def ring_bytes(size: float, processes: int) -> float:
    """What each process sends where all add up `size` bytes in a ring, 2 (N-1)/N of them (Patarasuk and Yuan
    2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations")."""
    return 2 * (processes - 1) / processes * size


def ring_seconds(size: float, processes: int, link: Link) -> float:
    """What that takes: the bytes, and 2 (N-1) hops."""
    return ring_bytes(size, processes) / link.bandwidth + 2 * (processes - 1) * link.latency_s


def largest_share(count: int, processes: int) -> float:
    """The share of `count` equal things that the process with the most of them has."""
    return -(-count // processes) / count


def busiest_share(costs: Sequence[float], processes: int) -> float:
    """The share of the work on matrices of these costs that the busiest process has, where each next one goes
    to the process with the least; 0 of none."""
    if not costs:
        return 0.0
    if processes >= len(costs):
        return max(costs) / sum(costs)
    loads = [0.0] * processes
    for cost in sorted(costs, reverse=True):
        loads[loads.index(min(loads))] += cost
    return max(loads) / sum(costs)


def shape_of(model: RecursiveLM, training: TrainingConfig, update_bytes: int = _HALF_BYTES) -> Shape:
    """What the division of a step of `model`, which may be a skeleton, depends on."""
    is_muon = training.optimizer == "muon"
    shapes = matrix_shapes(model) if is_muon else []
    return Shape(
        sequences=training.batch_size,
        tokens=model.config.context_length,
        parameters=model.parameter_counts()[0],
        tensors=sum(1 for _ in model.parameters()),
        updates=muon_weights(model) if is_muon else 0,
        update_bytes=update_bytes,
        matrices=tuple(float(rows * columns * min(rows, columns)) for rows, columns in shapes),
    )


def all_reduces(shape: Shape, processes: int) -> list[float]:
    """The bytes of what all processes add up in a step, exchange by exchange."""
    buckets, rest = divmod(shape.parameters, BUCKET)
    gradients = [float(_NUMBER_BYTES * BUCKET)] * buckets + [float(_NUMBER_BYTES * rest)]
    outcome = float(_OUTCOME_BYTES * (_OUTCOMES + processes + shape.tensors))
    updates = [float(shape.update_bytes * shape.updates)] if shape.updates else []
    return [outcome, *filter(None, gradients), *updates]


def message_bytes(shape: Shape, processes: int) -> float:
    """What process 0 sends to each of the others in a step. Rows that are too many for a message are sent
    once more, as a whole."""
    rows = -(-shape.sequences // processes) * shape.tokens * _TOKEN_BYTES
    return _MESSAGES * MESSAGE_BYTES + (rows if rows > MESSAGE_BYTES else 0)


def bytes_exchanged(shape: Shape, processes: int) -> float:
    """What each process sends in its rings, and receives of process 0, in a step."""
    if processes == 1:
        return 0.0
    sums = sum(ring_bytes(size, processes) for size in all_reduces(shape, processes))
    return sums + message_bytes(shape, processes)


def exchanging_seconds(shape: Shape, processes: int, link: Link) -> float:
    """Of a step: the rings, and the messages, which process 0 sends one after another."""
    if processes == 1:
        return 0.0
    rings = sum(ring_seconds(size, processes, link) for size in all_reduces(shape, processes))
    messages = (processes - 1) * message_bytes(shape, processes) / link.bandwidth
    return rings + messages + _MESSAGES * link.latency_s


def computing_seconds(work: StepWork, shape: Shape, processes: int) -> float:
    """Of a step, in the process that has the most to do. What is not divided does not get less (Amdahl
    1967)."""
    gradients = work.gradients_s * largest_share(shape.sequences, processes)
    return gradients + work.updates_s * busiest_share(shape.matrices, processes) + work.undivided_s


def scaling(work: StepWork, shape: Shape, link: Link, processes: int) -> Scaling:
    """A step in so many processes that `link` joins."""
    computing = computing_seconds(work, shape, processes)
    exchanging = exchanging_seconds(shape, processes, link)
    tokens = shape.sequences * shape.tokens
    return Scaling(
        processes=processes,
        tokens=tokens,
        bytes_exchanged=bytes_exchanged(shape, processes),
        computing_s=computing,
        exchanging_s=exchanging,
        tokens_per_second=tokens / (computing + exchanging),
        efficiency=work.total_s / (processes * (computing + exchanging)),
    )


def crossover(work: StepWork, shape: Shape, link: Callable[[int], Link]) -> int | None:
    """The least number of processes in which exchanging takes longer than computing, where `link` joins so
    many; None where there is none up to the sequences of the batch and `MOST_PROCESSES`."""
    for count in range(2, min(shape.sequences, MOST_PROCESSES) + 1):
        if exchanging_seconds(shape, count, link(count)) > computing_seconds(work, shape, count):
            return count
    return None


def work_on(machine: Machine, model: RecursiveLM, training: TrainingConfig) -> StepWork:
    """A step on a device of `machine`: products at its rate times its utilisation, half-way between the least
    depth and the trained one, as training draws them; and the passes over memory of the optimizer at the
    bandwidth on paper."""
    depths = (type(model.trained_depth)(1), model.trained_depth)
    of_token = sum(step_flops(model, depth).total for depth in depths) / len(depths)
    rate = machine.flops * machine.utilisation
    tokens = training.batch_size * model.config.context_length
    is_muon = training.optimizer == "muon"
    return StepWork(
        gradients_s=tokens * of_token / rate,
        updates_s=newton_schulz_flops(model) / rate if is_muon else 0.0,
        undivided_s=optimizer_bytes(model, training) / machine.memory_bandwidth,
    )


def work_measured(
    model: RecursiveLM, training: TrainingConfig, rates: MachineRates, tokens_per_second: float
) -> StepWork:
    """A step on a device whose rates and whose speed with this model were measured."""
    step_s = training.batch_size * model.config.context_length / tokens_per_second
    optimizer_s = min(optimizer_seconds(model, training, rates), step_s)
    updates_s = min(update_seconds(model, training, rates), optimizer_s)
    return StepWork(step_s - optimizer_s, updates_s, optimizer_s - updates_s)


def process_bytes(
    model: RecursiveLM, training: TrainingConfig, number_format: str, processes: int, update_bytes: int
) -> int:
    """The memory that each process takes: a training with its share of the batch, and what it exchanges."""
    rows = -(-training.batch_size // processes)
    share = replace(training, batch_size=rows, micro_batch=min(training.micro_batch or rows, rows))
    alone = training_bytes(model, share, number_format)
    if processes == 1:
        return alone
    updates = muon_weights(model) if training.optimizer == "muon" else 0
    gradients = _NUMBER_BYTES * min(BUCKET, model.parameter_counts()[0])
    return alone + gradients + 2 * update_bytes * updates
