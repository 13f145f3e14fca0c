"""One transformer block: attention and feed-forward, each normed before and added after."""

from torch import Tensor, nn

from models.layers.attention import Attention, AttentionContext
from models.layers.feed_forward import FEED_FORWARDS
from models.layers.norm import NORMS


class Block(nn.Module):
    """(B, T, D) to (B, T, D), pre-norm. `dropout` is applied to what each half adds.

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
