"""The transformer block: attention, then a feed-forward network, each added to its input."""

from torch import Tensor, nn

from models.kernels.residual import add_with_bias, add_with_norm, with_norm
from models.layers.attention import Attention, AttentionContext
from models.layers.feed_forward import FEED_FORWARDS
from models.layers.norm import NORMS, LayerNorm, RMSNorm, format_of_products
from models.layers.residual import before_bias, fuses_sums


class Block(nn.Module):
    """A block, (B, T, D) to (B, T, D). Its subclasses differ in where their norms are.

    Compilation and the optimizer find the blocks of a model by this class.
    """

    attention: nn.Module
    feed_forward: nn.Module
    dropout: nn.Dropout
    """Applied to the output of attention and of the feed-forward network."""
    gate: nn.Parameter | None
    """(D,): the share of the block's change that is let through. Only a block that was added to a grown
    model has one, and only if zeros in its projections would not make it return its input."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("gate", None)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        """The output (B, T, D) for the input `x` (B, T, D). `slot` is the one of the cache for this call."""
        raise NotImplementedError

    def added(self, x: Tensor, change: Tensor) -> Tensor:
        """`x` plus `change`, both (B, T, D), with dropout of the change."""
        return x + self.dropout(change)

    def fuses(self, x: Tensor) -> bool:
        """Whether compiled code adds this block's changes to its input `x` (B, T, D)."""
        return fuses_sums(x) and self.share < 1

    @property
    def share(self) -> float:
        """The share of a change that dropout leaves out now."""
        return self.dropout.p if self.training else 0.0

    def through_gate(self, x: Tensor, changed: Tensor) -> Tensor:
        """The output (B, T, D) of a block that computed `changed` (B, T, D) from its input `x` (B, T, D)."""
        return changed if self.gate is None else x + self.gate.to(x.dtype) * (changed - x)

    def pass_on(self) -> None:
        """Make the block return its input, to the last bit: close the gate, or where there is none, make
        both halves add zero."""
        if self.gate is not None:
            nn.init.zeros_(self.gate)
            return
        for name, part in self.named_modules():
            if name.endswith(".out") and isinstance(part, nn.Linear):
                for weight in part.parameters():
                    nn.init.zeros_(weight)


class PreNormBlock(Block):
    """x <- x + attention(norm(x)), then x <- x + feed_forward(norm(x)): (B, T, D) to (B, T, D).

    `attention` may be any module that is called as `Attention` is; None: `Attention` itself.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_hidden: int,
        *,
        norm: str = "rms",
        feed_forward: str = "swiglu",
        feed_forward_bias: bool = False,
        qk_norm: bool = True,
        dropout: float = 0.0,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.attention_norm: RMSNorm | LayerNorm = NORMS[norm](d_model)
        self.attention = attention or Attention(d_model, n_heads, qk_norm=qk_norm)
        self.feed_forward_norm: RMSNorm | LayerNorm = NORMS[norm](d_model)
        self.feed_forward = FEED_FORWARDS[feed_forward](d_model, d_hidden, bias=feed_forward_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        if self.fuses(x):
            return self._fused_forward(x, context, slot)
        x = self.added(x, self.attention(self.attention_norm(x), context, slot))
        return self.added(x, self.feed_forward(self.feed_forward_norm(x)))

    def _fused_forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        """What `forward` computes. Compiled code takes each sum, with bias and dropout, and the norm after it
        in one pass over memory."""
        dtype = format_of_products(x)
        x, normed = with_norm(x, self.attention_norm.compiled(), dtype)
        change, bias = before_bias(self.attention, normed, context, slot)
        x, normed = add_with_norm(x, change, bias, self.share, self.feed_forward_norm.compiled(), dtype)
        change, bias = before_bias(self.feed_forward, normed)
        return add_with_bias(x, change, bias, self.share)
