"""What learns: a model with its optimizers and the average of its weights. Every process of a training has
one, and all of them are the same after every step."""

import contextlib
from collections.abc import Iterator, Mapping

from torch import Tensor

from models.config import TrainingConfig
from models.layers.compilation import compile_blocks
from models.processes.group import ProcessGroup
from models.recursive_lm import RecursiveLM
from models.training.optimizer import Optimizers, WeightAverage

_AVERAGE = "average."


class Learner:
    """A model in training. `number_format` is that of its matrix products; the processes of `group` train it
    together."""

    def __init__(
        self,
        model: RecursiveLM,
        config: TrainingConfig,
        number_format: str,
        *,
        compiled: bool = False,
        group: ProcessGroup | None = None,
    ) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.number_format = number_format
        self.optimizers = Optimizers(model, config, number_format)
        if group is not None:
            self.optimizers.share_with(group)
        self.average = WeightAverage(model, config.average_decay) if config.average_decay else None
        if compiled:
            compile_blocks(model)

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

    def load(
        self, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], average_updates: int
    ) -> None:
        """Go on from `weights` and what `tensors` gave. Raises KeyError or RuntimeError where they do not
        fit."""
        self.model.load_state_dict(dict(weights))
        self.optimizers.load(dict(tensors))
        if self.average is not None:
            shadow = {name: tensors[_AVERAGE + name] for name in self.average.shadow}
            self.average.load(shadow, average_updates)

    def stop_learning(self) -> None:
        """Free the gradients, the moments and the average: no step follows."""
        self.optimizers.release()
        self.average = None
