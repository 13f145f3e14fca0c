"""What learns: a model with its optimizers and the average of its weights. Every process of a training has
one, and all of them are the same after every step; or each has its part of one."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.config import TrainingConfig
from models.layers.compilation import compile_blocks
from models.processes.group import ProcessGroup
from models.recursive_lm import RecursiveLM
from models.training.optimizer import Optimizers, WeightAverage
from models.training.shards import divide, is_divided, part_of

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

_AVERAGE = "average."


class Learner:
    """A model in training. `number_format` is that of its matrix products; the processes of `group` train it
    together. With `shard_on` a device, they divide the weights, gradients and moments among them, and `model`
    may be in main memory; it is not compiled then."""

    def __init__(
        self,
        model: RecursiveLM,
        config: TrainingConfig,
        number_format: str,
        *,
        compiled: bool = False,
        group: ProcessGroup | None = None,
        shard_on: torch.device | None = None,
    ) -> None:
        self.model = model
        self.mesh: DeviceMesh | None = None
        """Of the processes that divide the weights among them; None where each process has all of them."""
        if shard_on is not None and group is not None:
            self.mesh = divide(model, shard_on, group.count)
            group.outlives_leaving = True
        self._undivided = {name for name, _ in model.named_buffers()}
        self.device = next(model.parameters()).device
        self.number_format = number_format
        self.optimizers = Optimizers(model, config, number_format)
        if group is not None:
            self.optimizers.share_with(group, in_parts=self.mesh is not None)
        self.average = WeightAverage(model, config.average_decay) if config.average_decay else None
        if compiled and self.mesh is None:
            compile_blocks(model)

    def part_of(self, name: str, tensor: Tensor) -> Tensor:
        """What this process holds of a weight, a moment or an average, all of which is `tensor`."""
        if self.mesh is None or is_divided(tensor) or tensor.ndim == 0 or name in self._undivided:
            return tensor
        return part_of(tensor, self.mesh)

    def take_step(self, rate_factor: float) -> None:
        """One step with the gradients there are, at `rate_factor` times the peak rates, and one of the
        average."""
        self.optimizers.step(rate_factor)
        if self.average is not None:
            self.average.update(self.model)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[RecursiveLM]:
        """The model with the weights that would be kept now; afterwards it is as it was."""
        with contextlib.nullcontext() if self.average is None else self.average.swapped_in(self.model):
            yield self.model

    def tensors(self) -> dict[str, Tensor]:
        """The moments of the optimizers and the average, by name, not copied."""
        tensors = self.optimizers.state()
        if self.average is not None:
            tensors |= {_AVERAGE + name: value for name, value in self.average.state().items()}
        return tensors

    def fresh(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `tensors` gives before the first step, from all of `weights`."""
        if self.average is None:
            return {}
        return {_AVERAGE + name: weights[name] for name in self.average.shadow}

    def load(
        self, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], average_updates: int
    ) -> None:
        """Go on from `weights` and what `tensors` gave. Raises KeyError or RuntimeError where they do not
        fit."""
        self.load_weights(weights)
        tensors = {name: self.part_of(name, tensor) for name, tensor in tensors.items()}
        self.optimizers.load(tensors)
        if self.average is not None:
            shadow = {name: tensors[_AVERAGE + name] for name in self.average.shadow}
            self.average.load(shadow, average_updates)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take `weights`, and leave the moments and the average as they are."""
        self.model.load_state_dict({name: self.part_of(name, value) for name, value in weights.items()})

    def forget_steps(self) -> None:
        """Begin anew with the weights there are: without moments, and with an average that has them alone."""
        self.optimizers.release()
        if self.average is not None:
            self.average.updates = 0

    def stop_learning(self) -> None:
        """Free the gradients, the moments and the average: no step follows."""
        self.optimizers.release()
        self.average = None
