"""Multi-head latent attention (after DeepSeek-AI 2024, arXiv 2405.04434): the cache holds only latents."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.kernels.calls import can_fuse
from models.kernels.heads import fused_heads
from models.layers.attention import AttentionContext, attend
from models.layers.growable import FusedLinear
from models.layers.latent_cache import LatentCache
from models.layers.norm import EPSILON, RMSNorm
from models.layers.rotary import rotate


@dataclass(slots=True)
class LatentContext(AttentionContext):
    """The context of latent attention, over a prefix of P learned tokens and S tokens of text.

    `prefix` (slots, P, R) holds the latents of the prefix. Every token sees all of it, so `mask` leaves it
    out. `key_cos` and `key_sin` (B or 1, P + S, 1, K)
    rotate all keys, since latents are cached without their positions.
    """

    prefix: Tensor | None = None
    key_cos: Tensor | None = None
    key_sin: Tensor | None = None


class LatentAttention(nn.Module):
    """(B, T, D) to (B, T, D). Queries come from one latent of width R, keys and values from another.

    Queries and keys are normed for each head, with a gain, and then rotated. Because of the norm and the
    rotation, a query cannot be compared with a latent directly: keys are computed from the latents at
    every call. Values are linear in the latents. So a single query, as in decoding, averages latents and
    projects the average up; that takes three quarters of the time at width 256, and less at larger widths.
    With many queries it is cheaper to project all latents first.
    """

    def __init__(self, d_model: int, n_heads: int, d_latent: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q_down = nn.Linear(d_model, d_latent, bias=False)
        self.q_up = nn.Linear(d_latent, d_model, bias=False)
        self.kv_down = nn.Linear(d_model, d_latent, bias=False)
        self.kv_up = FusedLinear(d_latent, 2 * d_model, parts=2)
        self.q_norm = RMSNorm(d_model // n_heads)
        self.k_norm = RMSNorm(d_model // n_heads)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        assert isinstance(context, LatentContext)
        batch, length, width = x.shape
        q = self.q_up(self.q_down(x))  # (B, T, D)
        if context.cache is None and can_fuse(x, q):
            y = self._fused_attend(q, x, context, slot)  # (B, H, T, K)
            return self.out(y.transpose(1, 2).reshape(batch, length, width))
        q = self.q_norm(self._by_head(q))  # (B, T, H, K)
        if context.cos is not None and context.sin is not None:
            q = rotate(q, context.cos[:, :, 0], context.sin[:, :, 0])
        latents = self._latents(x, context, slot)  # (B, P + S, R)
        mask = self._with_prefix(context.mask, latents.size(1))
        if length == 1:
            y = self._look_back(q.transpose(1, 2), latents, context, mask)
        else:
            k, v = self.kv_up(latents).chunk(2, dim=-1)  # (B, P + S, D) each
            k, v = self._keys(k, context), self._by_head(v).transpose(1, 2)
            y = attend(q.transpose(1, 2), k, v, mask, causal=context.causal)  # (B, H, T, K)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))

    def _fused_attend(self, q: Tensor, x: Tensor, context: LatentContext, slot: int) -> Tensor:
        """The outputs (B, H, T, K) of all heads for queries `q` (B, T, D), which are neither normed nor
        rotated: compiled code does so."""
        kv = self.kv_up(self._latents(x, context, slot))  # (B, P + S, 2 * D)
        cos, sin, heads = context.cos, context.sin, self.n_heads
        (q,) = fused_heads(q, heads, cos, sin, EPSILON, parts=1, gain=self.q_norm.weight)
        cos, sin = context.key_cos, context.key_sin
        k, v = fused_heads(kv, heads, cos, sin, EPSILON, parts=2, gain=self.k_norm.weight)
        return attend(q, k, v, self._with_prefix(context.mask, k.size(2)), causal=context.causal)

    def _with_prefix(self, mask: Tensor | None, keys: int) -> Tensor | None:
        """`mask` (B or 1, 1, T, S) for so many `keys`, P + S, of which all tokens see the first P."""
        return None if mask is None else F.pad(mask, (keys - mask.size(-1), 0), value=True)

    def _latents(self, x: Tensor, context: LatentContext, slot: int) -> Tensor:
        """The latents of the prefix and of all tokens, (B, P + S, R)."""
        latents: Tensor = self.kv_down(x)  # (B, T, R)
        if context.cache is not None:
            assert isinstance(context.cache, LatentCache)
            latents = context.cache.recall(slot, latents, context.selection)  # (B, S, R)
        if context.prefix is None:
            return latents
        prefix = context.prefix[slot].to(latents.dtype).expand(len(x), -1, -1)  # (B, P, R)
        return torch.cat((prefix, latents), dim=1)

    def _look_back(self, q: Tensor, latents: Tensor, context: LatentContext, mask: Tensor | None) -> Tensor:
        """The output (B, H, 1, K) of one query (B, H, 1, K) over `latents` (B, S, R)."""
        k_up, v_up = self.kv_up.weight.chunk(2)  # (D, R) each
        k = self._keys(F.linear(latents, k_up), context)
        values = latents[:, None].expand(-1, self.n_heads, -1, -1)  # (B, H, S, R)
        average = attend(q, k, values, mask, causal=False)  # (B, H, 1, R)
        return average @ v_up.view(self.n_heads, -1, v_up.size(-1)).mT

    def _by_head(self, x: Tensor) -> Tensor:
        """`x` (B, S, D) as (B, S, H, K)."""
        return x.unflatten(-1, (self.n_heads, -1))

    def _keys(self, x: Tensor, context: LatentContext) -> Tensor:
        """Keys `x` (B, S, D), normed and rotated to their positions: (B, H, S, K)."""
        k: Tensor = self.k_norm(self._by_head(x))
        if context.key_cos is not None and context.key_sin is not None:
            k = rotate(k, context.key_cos, context.key_sin)
        return k.transpose(1, 2)
