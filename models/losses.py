"""What training minimises."""

import torch
from torch import Tensor
from torch.nn import functional as F

from data.loader import IGNORED


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats of `logits` (B, T, V) against `targets` (B, T), in float32."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def log_stablemax(logits: Tensor) -> Tensor:
    """Logits whose softmax is the stablemax of `logits`, in float32 (Prieto et al. 2025).

    s(x) is x + 1 for x >= 0 and 1 / (1 - x) below; this is log s(x), element by element.
    """
    x = logits.float()
    return torch.sign(x) * torch.log1p(x.abs())
