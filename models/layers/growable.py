"""Modules that growth and the optimizer treat by rules of their own.

Growth (models/growth/weights.py) copies old weights into the corner of new ones, part by part, and then
lets a `Growing` module set its new parts. Muon steps each part of a `FusedLinear` as a matrix of its own.
"""

from abc import ABC, abstractmethod

from torch import nn


class FusedLinear(nn.Linear):
    """`parts` linear maps, stacked along the output and computed in one matrix product.

    An optimizer that works on whole matrices, as Muon does, splits the weight into its parts.
    """

    def __init__(self, inputs: int, outputs: int, *, parts: int, bias: bool = False) -> None:
        """`outputs` is the sum over all parts, a multiple of `parts`."""
        super().__init__(inputs, outputs, bias=bias)
        self.parts = parts


class Growing(ABC):
    """A module that prepares its own new weights, so that it computes what it did before it grew."""

    @abstractmethod
    def keep_function(self, before: nn.Module) -> None:
        """Change the new weights so that this module computes what `before` does.

        The old weights are already copied to their places, and the new ones are freshly drawn. `before` is
        on the meta device: it has shapes and no numbers.
        """
