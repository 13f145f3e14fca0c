"""Blocks that norm the sum after each half, for networks that are applied to their own output."""

import torch
from torch import Tensor, nn

from models.kernels.residual import Norm, add_then_norm
from models.layers.attention import Attention, AttentionContext
from models.layers.block import Block
from models.layers.feed_forward import GELU, SwiGLU
from models.layers.norm import EPSILON, BiasedLayerNorm, format_of_products, rms_norm
from models.layers.residual import before_bias, for_products


class PostNormBlock(Block):
    """x <- norm(x + attention(x)), then x <- norm(x + feed_forward(x)): (B, T, D) to (B, T, D), no biases.

    The output always has a root mean square of one, so that a state stays bounded however often the
    block is applied to it. `attention` may be any module that is called as `Attention` is; None:
    `Attention` itself.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_hidden: int,
        *,
        dropout: float = 0.0,
        attention: nn.Module | None = None,
        gated: bool = False,
    ) -> None:
        super().__init__()
        if gated:
            self.gate = nn.Parameter(torch.zeros(d_model))
        self.attention = attention or Attention(d_model, n_heads, qk_norm=True)
        self.feed_forward = SwiGLU(d_model, d_hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        if self.fuses(x):
            norm = Norm(None, None, centred=False, epsilon=EPSILON)
            x, copy = for_products(x)
            return self.through_gate(x, _fused_forward(self, norm, norm, x, copy, context, slot))
        middle = rms_norm(self.added(x, self.attention(x, context, slot)))
        return self.through_gate(x, rms_norm(self.added(middle, self.feed_forward(middle))))


class RecursiveBlock(Block):
    """(B, T, D) to (B, T, D), as `PostNormBlock` with layer norms, gains and biases, and a GELU network."""

    def __init__(
        self, d_model: int, n_heads: int, d_hidden: int, *, dropout: float = 0.0, gated: bool = False
    ) -> None:
        super().__init__()
        if gated:
            self.gate = nn.Parameter(torch.zeros(d_model))
        self.attention_norm = BiasedLayerNorm(d_model)
        self.attention = Attention(d_model, n_heads, qk_norm=False, out_bias=True)
        self.feed_forward_norm = BiasedLayerNorm(d_model)
        self.feed_forward = GELU(d_model, d_hidden, bias=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: AttentionContext, slot: int, copy: Tensor | None = None) -> Tensor:
        """`copy` is `x` in the number format of matrix products, where it is there already."""
        if self.fuses(x):
            x, copy = for_products(x) if copy is None else (x, copy)
            norms = self.attention_norm.compiled(), self.feed_forward_norm.compiled()
            return self.through_gate(x, _fused_forward(self, *norms, x, copy, context, slot))
        middle = self.attention_norm(self.added(x, self.attention(x, context, slot)))
        changed = self.feed_forward_norm(self.added(middle, self.feed_forward(middle)))
        return self.through_gate(x, changed)


def _fused_forward(
    block: Block, first: Norm, second: Norm, x: Tensor, copy: Tensor, context: AttentionContext, slot: int
) -> Tensor:
    """The output (B, T, D) of a block before its gate. Compiled code takes each sum and the norm after it in
    one pass over memory. `copy` is `x` in the number format of matrix products."""
    change, bias = before_bias(block.attention, copy, context, slot)
    middle, normed = add_then_norm(x, change, bias, block.share, first, format_of_products(x))
    change, bias = before_bias(block.feed_forward, normed)
    return add_then_norm(middle, change, bias, block.share, second, x.dtype)[0]


class Mixer(nn.Module):
    """An MLP over T positions, the same for every feature: (B, T, D) to (B, T, D) for one fixed T."""

    def __init__(self, positions: int, d_hidden: int) -> None:
        super().__init__()
        self.over_positions = SwiGLU(positions, d_hidden)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        return self.over_positions(x.mT).mT  # over (B, D, T)
