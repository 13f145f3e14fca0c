"""The block of a network that is applied to its own output: each half normed after it is added."""

from torch import Tensor, nn

from models.layers.attention import Attention, AttentionContext
from models.layers.block import Block
from models.layers.feed_forward import SwiGLU
from models.layers.norm import rms_norm


class PostNormBlock(Block):
    """(B, T, D) to (B, T, D), no biases. Whatever comes in, what goes out has a root mean square
    of one: that is what bounds a state that passes through it again and again.

    With `positions`, an MLP over that many positions takes the place of attention. It sees all of
    them, the later ones too.
    """

    def __init__(
        self, d_model: int, n_heads: int, d_hidden: int, *, dropout: float = 0.0, positions: int | None = None
    ) -> None:
        nn.Module.__init__(self)  # a Block, but of other parts
        self.attention = (
            Attention(d_model, n_heads, qk_norm=True) if positions is None else Mixer(positions, d_hidden)
        )
        self.feed_forward = SwiGLU(d_model, d_hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        x = rms_norm(x + self.dropout(self.attention(x, context, slot)))
        return rms_norm(x + self.dropout(self.feed_forward(x)))


class Mixer(nn.Module):
    """(B, T, D) to (B, T, D), T fixed: an MLP over the positions, the same for every feature."""

    def __init__(self, positions: int, d_hidden: int) -> None:
        super().__init__()
        self.over_positions = SwiGLU(positions, d_hidden)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        return self.over_positions(x.mT).mT
