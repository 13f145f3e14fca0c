"""Which weights learn how: Muon for the matrices inside blocks, AdamW for everything else."""

from typing import Any

import torch
from torch import Tensor, nn

from models.config import TrainingConfig
from models.layers.block import Block
from models.layers.linear import FusedLinear
from models.recursive_lm import RecursiveLM
from models.training.muon import Muon


class Optimizers:
    """One step for all of a model's weights, and their moments by parameter name."""

    def __init__(self, model: RecursiveLM, config: TrainingConfig) -> None:
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
            torch.optim.AdamW(
                [group for group in adam_groups if group["params"]],
                betas=(config.beta1, config.beta2),
                weight_decay=decay,
                fused=True,
            )
        )
        for group in self.groups():
            group["peak"] = group["lr"]

    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimizers."""
        return [group for optimizer in self.all for group in optimizer.param_groups]

    def step(self, rate: float) -> None:
        """Step every group at `rate` times its peak learning rate."""
        for group in self.groups():
            group["lr"] = group["peak"] * rate
        for optimizer in self.all:
            optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

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
