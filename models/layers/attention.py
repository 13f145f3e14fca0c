"""Causal multi-head self-attention with rotary positions and a cache of keys and values."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.kernels.attention import can_fuse_attention, fused_attention
from models.kernels.calls import can_fuse
from models.kernels.heads import fused_heads
from models.layers.growable import FusedLinear
from models.layers.kv_cache import KVCache
from models.layers.norm import EPSILON, rms_norm
from models.layers.rotary import rotate
from models.layers.selection import Selection
from models.layers.trace import COMPLETE, Ablation, Trace


@dataclass(slots=True)
class AttentionContext:
    """What every block of one forward call shares: positions, mask, cache, and what is traced.

    `cos` and `sin` (B or 1, T, 1, 1, K) rotate queries and keys; they are None where positions are not
    rotary. `mask` (B or 1, 1, T, S) is True where a query sees a key. None means that it sees itself and
    all earlier tokens if `causal` is true, else all tokens. `padding` (B,) is the number of pads at the
    start of each row. `documents` (B, T) has equal numbers for the tokens of one document, where a token sees
    no other one. `selection` names the tokens that are computed, unless all new ones are. `trace`
    collects the passes; None: they are not collected. `ablation` says what to leave out.
    """

    cos: Tensor | None = None
    sin: Tensor | None = None
    mask: Tensor | None = None
    causal: bool = True
    cache: KVCache | None = None
    padding: Tensor | None = None
    documents: Tensor | None = None
    selection: Selection | None = None
    trace: Trace | None = None
    ablation: Ablation = COMPLETE

    def record(self, level: str, state: Tensor) -> None:
        """Add a pass of `level` with the new `state` (B, T, D) to the trace, if there is one."""
        if self.trace is not None:
            self.trace.add(level, state, self.selection)

    def new_places(self, count: int, device: torch.device) -> Tensor:
        """The places of the `count` newest tokens in their rows, pads included: (count,)."""
        start = self.cache.length if self.cache is not None else 0
        return torch.arange(start, start + count, device=device)

    def among(self, selection: Selection) -> "AttentionContext":
        """The context for the selected tokens alone. It needs a cache, which holds the other tokens.

        Each selected token sees itself and all tokens before it.
        """
        assert self.cache is not None
        places = (self.cache.length + selection.index)[..., None]  # (B, T', 1)
        keys = torch.arange(self.cache.length + selection.of_tokens, device=places.device)
        mask = keys <= places  # (B, T', S)
        if self.padding is not None:
            mask = mask & (keys >= self.padding[:, None, None])
        if self.documents is not None:
            mask = mask & (self.documents[:, None] == selection.pack(self.documents)[..., None])
        rows = len(selection.index)
        return replace(
            self,
            cos=None if self.cos is None else selection.pack(self.cos.expand(rows, *self.cos.shape[1:])),
            sin=None if self.sin is None else selection.pack(self.sin.expand(rows, *self.sin.shape[1:])),
            mask=(mask | (keys == places))[:, None],  # a pad sees only itself
            causal=False,
            selection=selection,
        )


class Attention(nn.Module):
    """Multi-head self-attention, (B, T, D) to (B, T, D). The context says which tokens each one sees.

    With `qk_norm`, queries and keys are scaled to a root mean square of one before the rotation, which
    bounds the attention logits (Henry et al. 2020, arXiv 2010.04245).
    """

    def __init__(
        self, d_model: int, n_heads: int, *, qk_norm: bool, bias: bool = False, out_bias: bool | None = None
    ) -> None:
        """`out_bias` says whether the last projection has a bias; None: as `bias` says."""
        super().__init__()
        self.n_heads = n_heads
        self.qk_norm = qk_norm
        self.qkv = FusedLinear(d_model, 3 * d_model, parts=3, bias=bias)
        self.out = nn.Linear(d_model, d_model, bias=bias if out_bias is None else out_bias)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        y: Tensor = self.out(self._attend(x, context, slot))
        return y

    def before_bias(self, x: Tensor, context: AttentionContext, slot: int) -> tuple[Tensor, Tensor | None]:
        """What `forward` gives without the last bias, and that bias (D,), if there is one."""
        return F.linear(self._attend(x, context, slot), self.out.weight), self.out.bias

    def _attend(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        """The outputs of all heads, (B, T, D)."""
        if (context.cache is None or context.cache.only_trains) and can_fuse(x):
            q, k, v = self._heads_in_training(x, context, slot)
        else:
            q, k, v = self._heads(self.qkv(x), context, slot)
        y = attend(q, k, v, context.mask, causal=context.causal)  # (B, H, T, K)
        return y.transpose(1, 2).reshape(x.shape)

    def _heads_in_training(
        self, x: Tensor, context: AttentionContext, slot: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `_heads`, of `x` (B, T, D): by compiled code where it knows the number format of products."""
        qkv, bias = F.linear(x, self.qkv.weight), self.qkv.bias  # (B, T, 3 * D), (3 * D,)
        if not can_fuse(qkv):
            return self._heads(qkv if bias is None else qkv + bias.to(qkv.dtype), context, slot)
        epsilon = EPSILON if self.qk_norm else None
        q, k, v = fused_heads(qkv, self.n_heads, context.cos, context.sin, epsilon, bias=bias)
        if context.cache is not None:
            k, v = context.cache.update(slot, k, v)  # (B, H, S, K)
        return q, k, v

    def _heads(self, qkv: Tensor, context: AttentionContext, slot: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, K), and keys and values (B, H, S, K), of `qkv` (B, T, 3 * D)."""
        qkv = qkv.unflatten(-1, (3, self.n_heads, -1))  # (B, T, 3, H, K)
        qk, v = qkv[:, :, :2], qkv[:, :, 2].transpose(1, 2)  # (B, T, 2, H, K), (B, H, T, K)
        if self.qk_norm:
            qk = rms_norm(qk)
        if context.cos is not None and context.sin is not None:
            qk = rotate(qk, context.cos, context.sin)
        q, k = qk.permute(2, 0, 3, 1, 4)  # (B, H, T, K) each
        if context.cache is not None:
            k, v = context.cache.update(slot, k, v, context.selection)  # (B, H, S, K)
        return q, k, v

    def remember(self, x: Tensor, context: AttentionContext, slot: int) -> None:
        """Write the keys and values of `x` (B, T, D) into this slot of the cache, and compute no output."""
        assert context.cache is not None
        batch, length, width = x.shape
        bias = None if self.qkv.bias is None else self.qkv.bias[width:]
        kv = F.linear(x, self.qkv.weight[width:], bias).view(batch, length, 2, self.n_heads, -1)
        k, v = kv[:, :, :1], kv[:, :, 1].transpose(1, 2)  # (B, T, 1, H, K), (B, H, T, K)
        if self.qk_norm:
            k = rms_norm(k)
        if context.cos is not None and context.sin is not None:
            k = rotate(k, context.cos, context.sin)
        k = k.squeeze(2).transpose(1, 2)  # (B, H, T, K)
        context.cache.update(slot, k, v, context.selection)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    """Scaled dot-product attention: queries (B, H, T, K) over keys and values (B, H, S, K).

    Without a `mask` (B or 1, 1, T, S), a query sees all keys, or if `causal` is true those up to its own: the
    last query sees all keys, and each one before sees one key less.
    """
    if causal and mask is None and can_fuse_attention(q, k, v):
        return fused_attention(q, k, v)
    if causal and mask is None and q.size(2) < k.size(2):
        mask = torch.ones(q.size(2), k.size(2), dtype=torch.bool, device=q.device).tril(k.size(2) - q.size(2))
    # On a CPU, the backward pass of torch's fused kernel in bf16 takes three to five times as long as
    # that of plain matrix products, at the context lengths a CPU trains on.
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.size(2) <= 512:
        return _attend_in_products(q, k, v, mask, causal=causal)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and mask is None)


def _attend_in_products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    scores, factor = q @ k.transpose(-1, -2), q.size(-1) ** -0.5  # (B, H, T, S)
    scores = scores * factor
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    elif causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf"), dtype=scores.dtype).triu(1)
    return scores.softmax(dim=-1).to(v.dtype) @ v
