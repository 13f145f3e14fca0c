"""The losses of training."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from data.loader import IGNORED


@dataclass(slots=True)
class LossParts:
    """The training loss. All tensors are scalars."""

    total: Tensor
    """What training minimises."""
    next_token: Tensor
    """The cross-entropy of the next token, in nats per token."""
    passes: Tensor
    """The mean number of passes of a token."""


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of `logits` (B, T, V) with `targets` (B, T), in nats per token, in float32."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def halting_loss(values: Tensor, now: Tensor, at_the_end: Tensor, targets: Tensor) -> Tensor:
    """The loss of two predictions for each token: is the answer right now, and is it right at the end.

    `values` (B, T, 2) are their logits, `now` and `at_the_end` (B, T, V) the answers as logits. Tokens
    without a target do not count. A scalar, in float32.
    """
    goals = torch.stack([answer.argmax(-1) == targets for answer in (now, at_the_end)], dim=-1)
    asked = (targets != IGNORED)[..., None].expand_as(goals)
    return F.binary_cross_entropy_with_logits(values.float()[asked], goals.float()[asked])


def log_stablemax(logits: Tensor) -> Tensor:
    """log s(x) for every element x of `logits`, in float32. Its softmax is the stablemax of `logits`.

    s(x) = x + 1 for x >= 0 and 1 / (1 - x) for x < 0 (Prieto et al. 2025, arXiv 2501.04697).
    """
    x = logits.float()
    return torch.sign(x) * torch.log1p(x.abs())
