"""One step in several processes: each computes the gradients of its piece of the batch, and all add them up.

The losses of the pieces are shares of the loss of the whole batch, so the sum of their gradients is the
gradient of the batch, however many processes there are.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.device import is_out_of_memory
from models.processes.group import ProcessGroup
from models.training.learner import Learner
from models.training.pieces import Contribution, Piece
from models.training.sharding import no_room_for_pieces

BUCKET = 2**23
"""Numbers that are added up at once, about: as few exchanges as possible, without a second copy of all
gradients in memory."""


@dataclass(frozen=True, slots=True)
class Room:
    """Memory of this process for an exchange of gradients. It is taken before any process waits in one, where
    a process with too little could not tell the others."""

    bucket: Tensor
    """(n,) for what is added up at once."""
    missing: Mapping[Tensor, Tensor]
    """Zeros for each parameter without a gradient here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process made of its piece: None where memory ran out, or something else failed."""

    contribution: Contribution | None
    seconds: float
    error: Exception | None = None
    """What failed, other than memory that ran out."""
    room: Room | None = None
    """For the exchange that follows, where there is one."""


@dataclass(frozen=True, slots=True)
class SharedOutcome:
    """What all processes made of a batch."""

    ran_out_of_memory: bool
    was_interrupted: bool
    loss: float
    passes: float
    seconds: tuple[float, ...]
    """Of each process, for its own gradients."""
    with_gradient: Sequence[Tensor]
    """The parameters that have a gradient in some process."""


def compute(learner: Learner, piece: Piece, seed: int, micro_batch: int, *, exchanges: bool) -> Outcome:
    """Accumulate the gradients of `piece`, with dropout that depends on `seed` alone. Where the process
    `exchanges` them with others, there is room for that too. Raises nothing: others wait for the outcome."""
    began, room = time.monotonic(), None
    torch.manual_seed(seed)
    try:
        contribution = piece.accumulate(learner, micro_batch)
        if exchanges:
            room = room_for(list(learner.model.parameters()))
    except Exception as error:
        ran_out_of_memory = isinstance(error, RuntimeError) and is_out_of_memory(error)
        if ran_out_of_memory and learner.mesh is not None:
            return Outcome(None, time.monotonic() - began, no_room_for_pieces(micro_batch))
        return Outcome(None, time.monotonic() - began, None if ran_out_of_memory else error)
    return Outcome(contribution, time.monotonic() - began, room=room)


def room_for(parameters: Sequence[Tensor]) -> Room:
    """What `add_gradients` needs for any of `parameters`. Raises RuntimeError where memory runs out."""
    sizes = [parameter.numel() for parameter in parameters]
    bucket = parameters[0].new_empty(max(min(BUCKET, sum(sizes)), *sizes))
    return Room(bucket, {p: torch.zeros_like(p) for p in parameters if p.grad is None})


def share_outcome(
    group: ProcessGroup, outcome: Outcome, parameters: Sequence[Tensor], *, was_interrupted: bool
) -> SharedOutcome:
    """Tell the other processes how it went, and hear the same from them. Raises ProcessLostError."""
    found = outcome.contribution or Contribution(0.0, 0.0)
    seconds = [0.0] * group.count
    seconds[group.rank] = outcome.seconds
    told = [outcome.contribution is None, was_interrupted, found.loss, found.passes, *seconds]
    numbers = torch.tensor([*told, *(p.grad is not None for p in parameters)], dtype=torch.float64)
    group.add(numbers)
    failed, interrupted, loss, passes, *rest = numbers.tolist()
    seconds, present = rest[: group.count], rest[group.count :]
    with_gradient = [p for p, count in zip(parameters, present, strict=True) if count]
    return SharedOutcome(failed > 0, interrupted > 0, loss, passes, tuple(seconds), with_gradient)


@torch.no_grad()
def add_gradients(group: ProcessGroup, with_gradient: Sequence[Tensor], room: Room) -> None:
    """Replace the gradient of each of the parameters `with_gradient` by its sum over all processes; one that
    has none here counts as 0. Raises ProcessLostError."""
    for bucket in _buckets(with_gradient):
        for parameter in bucket:
            if parameter.grad is None:
                parameter.grad = room.missing[parameter]
        gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
        group.add_each(gradients, room.bucket)


def _buckets(parameters: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """`parameters` in groups of at most BUCKET numbers, or of one parameter."""
    bucket, size = list[Tensor](), 0
    for parameter in parameters:
        if bucket and size + parameter.numel() > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket
