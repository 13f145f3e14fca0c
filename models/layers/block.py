"""One transformer block: attention and feed-forward, each added to what comes in, with norms about them."""

from torch import Tensor, nn

from models.layers.attention import Attention, AttentionContext
from models.layers.feed_forward import FEED_FORWARDS
from models.layers.norm import NORMS


class Block(nn.Module):
    """What every block is, (B, T, D) to (B, T, D); where the norms stand, each kind says itself.

    Compilation and the optimizer treat blocks alike, and know them by this.
    """

    attention: nn.Module
    feed_forward: nn.Module
    dropout: nn.Dropout
    """Applied to what each half adds."""
    gate: nn.Parameter | None
    """(D,), of a block that a model was grown by where zeros in its halves would not keep it from
    changing what comes in: how much of its change to let through."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("gate", None)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        """`x` after both halves; `slot` is the cache's for this call."""
        raise NotImplementedError

    def through_gate(self, x: Tensor, changed: Tensor) -> Tensor:
        """What the block puts out, (B, T, D), that got `x` and made `changed` of it."""
        return changed if self.gate is None else x + self.gate.to(x.dtype) * (changed - x)

    def pass_on(self) -> None:
        """Put out what comes in, to the last bit: the gate is shut, or without one both halves add zero."""
        if self.gate is not None:
            nn.init.zeros_(self.gate)
            return
        for name, part in self.named_modules():
            if name.endswith(".out") and isinstance(part, nn.Linear):
                for weight in part.parameters():
                    nn.init.zeros_(weight)


class PreNormBlock(Block):
    """(B, T, D) to (B, T, D), each half normed before.

    `attention` is any module called as Attention is, which is what a block has unless given.
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
        self.attention_norm = NORMS[norm](d_model)
        self.attention = attention or Attention(d_model, n_heads, qk_norm=qk_norm)
        self.feed_forward_norm = NORMS[norm](d_model)
        self.feed_forward = FEED_FORWARDS[feed_forward](d_model, d_hidden, bias=feed_forward_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), context, slot))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
