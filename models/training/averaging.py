"""An exponential average of the weights: what the noise of the last steps hides."""

import torch
from torch import Tensor, nn


class WeightAverage:
    """`shadow` follows `model` with `decay`; early on faster, so that the start is forgotten."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step towards the model's weights."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        shadow, weights = list(self.shadow.values()), [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(shadow, weights, 1.0 - decay)

    def state(self) -> dict[str, Tensor]:
        """The shadow weights by parameter name."""
        return dict(self.shadow)

    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Go on from what `state` gave."""
        self.updates = updates
        for name, value in self.shadow.items():
            value.copy_(tensors[name])
