"""The losses of training."""

import torch

from data.loader import IGNORED
from models.losses import halting_loss


def test_a_token_without_a_target_does_not_count_for_halting() -> None:
    values, now, end = torch.randn(1, 4, 2), torch.randn(1, 4, 5), torch.randn(1, 4, 5)
    targets = torch.tensor([[1, 2, IGNORED, 3]])
    asked = [0, 1, 3]
    whole = halting_loss(values, now, end, targets)
    part = halting_loss(values[:, asked], now[:, asked], end[:, asked], targets[:, asked])
    assert torch.allclose(whole, part)
