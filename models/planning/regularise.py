"""How often a training will read its text on this machine, and what that asks for."""

import torch

from data.prepare import TokenCounts
from models.config import TrainingConfig
from models.cost.estimate import estimate
from models.planning.defaults import Regularisation, suggested_regularisation
from models.planning.text_plan import expected_tokens
from models.recursive_lm import RecursiveLM


def regularisation_for(
    layout: RecursiveLM, training: TrainingConfig, data: TokenCounts, device: torch.device
) -> Regularisation:
    """What suits the model of `layout`, which may be a skeleton, on the text `data`. It measures the machine
    for a fifth of a second."""
    speed = estimate(layout, training, device).tokens_per_second
    read = expected_tokens(training, layout.config, data, speed)
    return suggested_regularisation(read / max(1, data.train_tokens))
