"""Which weights learn how: Muon for the matrices inside blocks, AdamW for everything else; and the
average of the weights."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.config import TrainingConfig
from models.layers.block import Block
from models.layers.growable import FusedLinear
from models.processes.group import ProcessGroup
from models.recursive_lm import RecursiveLM
from models.training.muon import Muon
from models.training.shards import whole
from models.training.shared_orthogonalization import SharedOrthogonalization
from models.training.uncompiled_optimizer import AdamW

FIRST_SCALE = 65536.0
"""What the loss is multiplied by in float16 at the start, so that small gradients do not vanish."""
LEAST_SCALE = 1.0
"""The scale never goes below this. Gradients that are not finite here come from a bad batch."""
MUON_AT_ONCE = 2**26
"""Numbers of Muon's updates that are whole at a time, where weights are in parts."""
GROWTH_INTERVAL = 2000
"""Steps in a row without an overflow after which the scale doubles. Each overflow halves it."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """The norm of the whole gradient before clipping, and whether the float16 scale was too large for it."""

    norm: float
    overflowed: bool


class Optimizers:
    """One step for all of a model's weights, and their moments by parameter name."""

    def __init__(self, model: RecursiveLM, config: TrainingConfig, number_format: str = "float32") -> None:
        self.gradient_clip = config.gradient_clip
        self.scaler = torch.amp.GradScaler(
            next(model.parameters()).device.type,
            init_scale=FIRST_SCALE,
            growth_interval=GROWTH_INTERVAL,
            enabled=number_format == "float16",
        )
        self.names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
        matrices = _block_matrices(model)
        embeddings = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
        rest = [p for p in self.names if p not in embeddings and p not in matrices]
        rate, decay = config.learning_rate, config.weight_decay
        heads = [p for p in rest if p.ndim >= 2]
        self.all: list[torch.optim.Optimizer] = []
        if config.optimizer == "muon":
            by_parts: dict[int, list[Tensor]] = {}
            for matrix, parts in matrices.items():
                by_parts.setdefault(parts, []).append(matrix)
            groups = [{"params": params, "parts": parts} for parts, params in by_parts.items()]
            self.all.append(Muon(groups, config.matrix_learning_rate, weight_decay=decay))
        else:
            heads += matrices
        adam_groups: list[dict[str, Any]] = [
            {"params": [p for p in self.names if p in embeddings], "lr": rate * config.embedding_rate},
            {"params": heads, "lr": rate},
            {"params": [p for p in rest if p.ndim < 2], "lr": rate, "weight_decay": 0.0},
        ]
        self.all.append(
            AdamW(
                [group for group in adam_groups if group["params"]],
                betas=(config.beta1, config.beta2),
                weight_decay=decay,
                fused=True,
            )
        )
        for group in self.groups():
            group["peak"] = group["lr"]

    def share_with(self, group: ProcessGroup, *, in_parts: bool = False) -> None:
        """Divide what can be divided of a step among the processes of `group`. With weights `in_parts`, not
        all of Muon's updates are in memory at once."""
        for optimizer in self.all:
            if isinstance(optimizer, Muon):
                optimizer.orthogonalize = SharedOrthogonalization(group)
                optimizer.most_at_once = MUON_AT_ONCE if in_parts else None

    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimizers."""
        return [group for optimizer in self.all for group in optimizer.param_groups]

    def step(self, rate_factor: float) -> None:
        """Set every group's learning rate to `rate_factor` times its peak, and take the step."""
        for group in self.groups():
            group["lr"] = group["peak"] * rate_factor
        for optimizer in self.all:
            optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    def release(self) -> None:
        """Free the gradients and moments, where no step follows."""
        self.zero_grad()
        for optimizer in self.all:
            optimizer.state.clear()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, scaled where the number format is float16."""
        self.scaler.scale(loss).backward()

    def clip_gradient(self) -> Gradient:
        """Unscale the gradients, clip the norm of all of them together, and fit the scale to them."""
        for optimizer in self.all:
            self.scaler.unscale_(optimizer)
        gradients = [parameter.grad for parameter in self.names if parameter.grad is not None]
        norm = whole(nn.utils.get_total_norm(gradients))
        nn.utils.clip_grads_with_norm_(list(self.names), self.gradient_clip, norm)
        return Gradient(float(norm), self._update_scale())

    def _update_scale(self) -> bool:
        """Whether the gradients just unscaled overflowed; the scale is smaller then.

        At LEAST_SCALE they are never counted as an overflow: a gradient that is still not finite there is a
        bad one.
        """
        if not self.scaler.is_enabled():
            return False
        before = self.scaler.get_scale()
        self.scaler.update()
        if self.scaler.get_scale() < LEAST_SCALE:
            self.scaler.update(LEAST_SCALE)
        return self.scaler.get_scale() < before

    @property
    def gradient_scale(self) -> float:
        return self.scaler.get_scale()

    @property
    def steps_without_overflow(self) -> int:
        return int(self.scaler.state_dict().get("_growth_tracker", 0))

    def restore_scale(self, scale: float, steps_without_overflow: int) -> None:
        """Go on with the scale of a checkpoint. Other number formats than float16 have none."""
        if not self.scaler.is_enabled():
            return
        state = {"scale": max(LEAST_SCALE, scale), "_growth_tracker": steps_without_overflow}
        self.scaler.load_state_dict({**self.scaler.state_dict(), **state})

    def state(self) -> dict[str, Tensor]:
        """Every moment as `optimizer.<parameter>.<moment>`."""
        return {
            f"optimizer.{self.names[parameter]}.{moment}": value
            for optimizer in self.all
            for parameter, moments in optimizer.state.items()
            for moment, value in moments.items()
        }

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave, on any device, without what was there before.

        Moments of a shape the weight no longer has are left out, and begin anew.
        """
        for optimizer in self.all:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    moments = _moments_of(self.names[parameter], tensors)
                    fits = all(
                        value.ndim == 0 or value.shape == parameter.shape for value in moments.values()
                    )
                    optimizer.state[parameter] = {
                        moment: value.to(parameter.device, copy=True)
                        for moment, value in (moments.items() if fits else ())
                    }


class WeightAverage:
    """An exponential average of the weights, which smooths the noise of the last steps.

    `shadow` follows the weights with `decay`; faster at first, so that the initial weights are forgotten.
    """

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

    @contextlib.contextmanager
    def swapped_in(self, model: nn.Module) -> Iterator[None]:
        """Give `model` the averaged weights; afterwards it has its own again."""
        trained = [p.detach().clone() for p in model.parameters()]
        try:
            _copy_into(model, self.shadow.values())
            yield
        finally:
            _copy_into(model, trained)

    def state(self) -> dict[str, Tensor]:
        """The shadow weights by parameter name."""
        return dict(self.shadow)

    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Go on from what `state` gave."""
        self.updates = updates
        for name, value in self.shadow.items():
            value.copy_(tensors[name])


@torch.no_grad()
def _copy_into(model: nn.Module, values: Iterable[Tensor]) -> None:
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.copy_(value)


def _block_matrices(model: nn.Module) -> dict[Tensor, int]:
    """The weights of the linear maps inside blocks, and how many maps each one holds."""
    return {
        part.weight: part.parts if isinstance(part, FusedLinear) else 1
        for block in model.modules()
        if isinstance(block, Block)
        for part in block.modules()
        if isinstance(part, nn.Linear)
    }


def _moments_of(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"optimizer.{name}."
    return {
        key.removeprefix(prefix): value
        for key, value in tensors.items()
        if key.startswith(prefix) and "." not in key.removeprefix(prefix)
    }
