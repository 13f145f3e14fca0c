"""How a module grows without changing its output."""

from abc import ABC, abstractmethod

from torch import nn


class Growing(ABC):
    """A module that prepares its own new weights, so that it computes what it did before it grew."""

    @abstractmethod
    def keep_function(self, before: nn.Module) -> None:
        """Change the new weights so that this module computes what `before` does.

        The old weights are already copied to their places, and the new ones are freshly drawn. `before` is
        on the meta device: it has shapes and no numbers.
        """
