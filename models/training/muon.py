"""Muon: momentum whose every update is an orthogonal matrix (Jordan et al. 2024).

The library's Muon steps one matrix at a time and takes a fused projection for one matrix. Here
fused projections are orthogonalised part by part, and all matrices of one shape at once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from models.cost.number_format import rough_product_format
from models.device import NUMBER_FORMATS
from models.training.shards import own_parts, whole
from models.training.uncompiled_optimizer import uncompiled_optimizer

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration that takes singular values towards one."""


Orthogonalize = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""From stacks of matrices (N, rows, columns) to those with singular values near one."""


@dataclass(slots=True)
class _Step:
    """Weights of one shape in one parameter group, which of their rows this process holds, and their updates
    before they are orthogonalised."""

    group: dict[str, Any]
    weights: list[Tensor] = field(default_factory=list)
    rows: list[slice] = field(default_factory=list)
    updates: list[Tensor] = field(default_factory=list)


@uncompiled_optimizer
class Muon(torch.optim.Optimizer):
    """For weights (rows, columns) of linear maps; those of a group with `parts` of n hold n maps
    stacked along their rows."""

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "parts": 1})
        self.orthogonalize: Orthogonalize = orthogonalized_each
        """Several processes divide this work among them."""
        self.most_at_once: int | None = None
        """Numbers of whole updates to hold at a time, about; None: those of all weights. Where weights are in
        parts, the whole update of each is put together first."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure is needed
        """Take one step along the orthogonalised momentum of each weight that has a gradient."""
        steps, size = list[_Step](), 0
        for group in self.param_groups:
            by_shape: dict[torch.Size, _Step] = {}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                parts = group["parts"]
                update = whole(self._momentum(weight, weight.grad, group["momentum"]))
                for (part, rows), change in zip(own_parts(weight, parts), update.chunk(parts), strict=True):
                    step = by_shape.setdefault(change.shape, _Step(group))
                    step.weights.append(part)
                    step.rows.append(rows)
                    step.updates.append(change)
                size += update.numel()
                if self.most_at_once is not None and size >= self.most_at_once:
                    self._take([*steps, *by_shape.values()])
                    steps, by_shape, size = [], {}, 0
            steps += by_shape.values()
        self._take(steps)

    def _take(self, steps: Sequence[_Step]) -> None:
        """Move weights along their updates, made orthogonal."""
        found = self.orthogonalize([torch.stack(step.updates) for step in steps])
        for step, updates in zip(steps, found, strict=True):
            group, (rows, columns) = step.group, updates.shape[-2:]
            scale = group["lr"] * max(1.0, rows / columns) ** 0.5
            for weight, own, update in zip(step.weights, step.rows, updates, strict=True):
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.add_(update[own].to(weight.dtype), alpha=-scale)

    def _momentum(self, weight: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        """The Nesterov look-ahead of the gradient's running average."""
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        average = state["momentum_buffer"]
        average.lerp_(gradient, 1.0 - momentum)
        return gradient.lerp(average, momentum)


def orthogonalized_each(stacks: Sequence[Tensor]) -> list[Tensor]:
    """`orthogonalized` of each of `stacks`."""
    return [orthogonalized(stack) for stack in stacks]


def orthogonalized(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Each of `matrices` (N, rows, columns) with singular values near one.

    In bfloat16 where that is the faster format of the device, else in float32.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(NUMBER_FORMATS[rough_product_format(matrices.device)])
    tall = x.size(-2) > x.size(-1)
    x = x.mT.contiguous() if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
