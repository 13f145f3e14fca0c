"""Attention over the cells of a grid in which most heads take one neighbour each."""

import torch
from torch import Tensor, nn

from models.layers.attention import AttentionContext, attend
from models.layers.growable import FusedLinear
from models.layers.norm import rms_norm


class GridAttention(nn.Module):
    """(B, T, D) to (B, T, D). Of every K + 1 heads the first one sees all cells, and the next K take the
    values of one other cell each, such as the one above.

    A head with one cell needs no weights, so its cost does not grow with the number of cells.
    """

    neighbours: Tensor
    """(K, T): the cell that a head takes from, for each cell."""

    def __init__(self, d_model: int, n_heads: int, neighbours: Tensor) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.register_buffer("neighbours", neighbours, persistent=False)
        self.n_free = len(range(0, n_heads, len(neighbours) + 1))
        self.qk = FusedLinear(d_model, 2 * self.n_free * (d_model // n_heads), parts=2, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        batch, length, width = x.shape
        qk = self.qk(x).view(batch, length, 2, self.n_free, width // self.n_heads)
        q, k = rms_norm(qk).permute(2, 0, 3, 1, 4)  # (B, F, T, K) each
        v = self.value(x).view(batch, length, self.n_heads, -1)  # (B, T, H, K)
        free = attend(q, k, v[:, :, : self.n_free].transpose(1, 2), None, causal=False)  # (B, F, T, K)
        near = [
            v[:, self.neighbours[number % len(self.neighbours)], self.n_free + number]  # (B, T, K)
            for number in range(self.n_heads - self.n_free)
        ]
        return self.out(torch.cat((free.transpose(1, 2).flatten(2), *near), dim=-1))
