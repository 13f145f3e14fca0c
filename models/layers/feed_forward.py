"""Feed-forward networks: the part of a block that treats every position alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.kernels.calls import can_fuse
from models.kernels.feed_forward import fused_gelu, fused_swiglu
from models.layers.growable import FusedLinear, Growing


class FeedForward(nn.Module, Growing):
    """(B, T, D) to (B, T, D) through hidden units. New units of a grown model add nothing at first."""

    up: nn.Linear
    out: nn.Linear

    def before_bias(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """What `forward` gives without the last bias, and that bias (D,), if there is one."""
        return F.linear(self.hidden(x), self.out.weight), self.out.bias

    def hidden(self, x: Tensor) -> Tensor:
        """The hidden units (B, T, d_hidden) of `x` (B, T, D)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.out(self.hidden(x))
        return output

    @torch.no_grad()
    def keep_function(self, before: nn.Module) -> None:
        assert isinstance(before, FeedForward)
        self.out.weight[:, before.out.in_features :] = 0.0


class SwiGLU(FeedForward):
    """out(silu(gate(x)) * value(x)), (B, T, D) to (B, T, D) (Shazeer 2020, arXiv 2002.05202).

    `up` holds the projections gate and value, in this order.
    """

    def __init__(self, d_model: int, d_hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.up = FusedLinear(d_model, 2 * d_hidden, parts=2, bias=bias)
        self.out = nn.Linear(d_hidden, d_model, bias=bias)

    def hidden(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            up = F.linear(x, self.up.weight)
            if can_fuse(up):
                return fused_swiglu(up, self.up.bias)
        up = self.up(x)
        gate, value = up.chunk(2, dim=-1)  # (B, T, d_hidden) each
        # On a CPU, silu takes twice as long where its input is not contiguous.
        return F.silu(gate.contiguous()) * value


class GELU(FeedForward):
    """out(gelu(up(x))), (B, T, D) to (B, T, D): the two-layer network of GPT-2."""

    def __init__(self, d_model: int, d_hidden: int, *, bias: bool = False) -> None:
        super().__init__()
        self.up = nn.Linear(d_model, d_hidden, bias=bias)
        self.out = nn.Linear(d_hidden, d_model, bias=bias)

    def hidden(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            up = F.linear(x, self.up.weight)
            if can_fuse(up):
                return fused_gelu(up, self.up.bias)
        return F.gelu(self.up(x))


FEED_FORWARDS: dict[str, type[nn.Module]] = {"swiglu": SwiGLU, "gelu": GELU}
