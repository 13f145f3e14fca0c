"""The parts of a training step: what each process computes gradients of, and what it reports."""

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from data.loader import IGNORED
from models.depth import Depth
from models.device import autocast, to_device
from models.training.learner import Learner


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a piece adds to the loss and to the mean passes of its step, and what else it found.

    `loss` is in nats per token; those of all pieces add up to that of the step.
    """

    loss: float
    passes: float
    found: Any = None


class Piece(Protocol):
    """A part of the batch of one step. It can be sent to another process."""

    reports: ClassVar[bool]
    """Whether what it finds is sent back to process 0."""

    def accumulate(self, learner: Learner, micro_batch: int) -> Contribution:
        """Add the gradients of this piece, `micro_batch` sequences at a time.

        Nothing else changes, so it can be done again where memory ran out (a RuntimeError).
        """


@dataclass(frozen=True, slots=True)
class TokenPiece:
    """Sequences of tokens, with the token to predict at each place."""

    reports: ClassVar[bool] = False
    rows: np.ndarray
    """(b, 2, T) int64: inputs and targets; (b, 3, T) with the numbers of their documents, where a token
    attends to its own one alone."""
    asked: int
    """Targets that count in the whole step."""
    depth: Depth
    weight: float = 1.0
    """Of the gradients: 0 where the loss is only to be known."""

    def accumulate(self, learner: Learner, micro_batch: int) -> Contribution:
        losses, passes, shares = list[Tensor](), list[Tensor](), list[float]()
        for micro in torch.from_numpy(self.rows).split(micro_batch):  # (b, 2 or 3, T)
            asked = int((micro[:, 1] != IGNORED).sum())
            if not asked and learner.mesh is None:
                continue
            shares.append(asked / self.asked)
            inputs, targets, *documents = to_device(micro, learner.device).unbind(1)  # (b, T) each
            if not asked:  # the other processes need this one to compute theirs; its share of the loss is 0
                targets = inputs
            with autocast(learner.device, learner.number_format):
                parts = learner.model.training_loss(inputs, targets, self.depth, *documents)
            learner.optimizers.backward(parts.total * (shares[-1] * self.weight))
            losses.append(parts.next_token.detach())
            passes.append(parts.passes.detach())
        return Contribution(weighted_sum(losses, shares), weighted_sum(passes, shares))


def weighted_sum(values: list[Tensor], weights: list[float]) -> float:
    """The sum of `values` (scalars), each times its weight; 0 of none.

    All are read at once, after the last micro-batch: each reading makes the processor wait for the GPU.
    """
    total = 0.0
    if values:
        for number, weight in zip(torch.stack(values).tolist(), weights, strict=True):
            total += number * weight
    return total


def shares(count: int, parts: int) -> list[slice]:
    """`count` rows in `parts` slices, one after another, whose sizes differ by one at most."""
    bounds = [number * count // parts for number in range(parts + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(bounds)]
