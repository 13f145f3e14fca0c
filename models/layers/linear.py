"""Several linear maps of one input, computed as one."""

from torch import nn


class FusedLinear(nn.Linear):
    """`parts` maps stacked along the output: one matrix product in use, `parts` matrices to an
    optimizer that treats matrices as wholes."""

    def __init__(self, inputs: int, outputs: int, *, parts: int, bias: bool = False) -> None:
        """`outputs` of all parts together, a multiple of `parts`."""
        super().__init__(inputs, outputs, bias=bias)
        self.parts = parts
