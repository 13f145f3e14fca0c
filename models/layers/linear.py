"""Several linear maps of one input, computed as one."""

from torch import nn


class FusedLinear(nn.Linear):
    """`parts` linear maps, stacked along the output and computed in one matrix product.

    An optimizer that works on whole matrices, as Muon does, splits the weight into its parts.
    """

    def __init__(self, inputs: int, outputs: int, *, parts: int, bias: bool = False) -> None:
        """`outputs` is the sum over all parts, a multiple of `parts`."""
        super().__init__(inputs, outputs, bias=bias)
        self.parts = parts
