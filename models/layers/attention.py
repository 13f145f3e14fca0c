"""Causal multi-head self-attention with rotary positions and a cache of keys and values."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.layers.kv_cache import KVCache
from models.layers.linear import FusedLinear
from models.layers.norm import rms_norm
from models.layers.passes import COMPLETE, Ablation, Trace
from models.layers.rotary import rotate
from models.layers.selection import Selection


@dataclass(slots=True)
class AttentionContext:
    """What attention needs to know about where its tokens stand.

    `cos` and `sin` (B or 1, T, 1, 1, K) turn queries and keys, or are None where positions are
    learned. `mask` (B or 1, 1, T, S) is True where a query may look; None means everything
    before it when `causal`, else everything there is. `padding` (B,) counts the pads each row
    begins with. `selection` says which of the new tokens `x` holds, where it is not all of them.
    `trace` collects the passes, where they are asked for.
    """

    cos: Tensor | None = None
    sin: Tensor | None = None
    mask: Tensor | None = None
    causal: bool = True
    cache: KVCache | None = None
    padding: Tensor | None = None
    selection: Selection | None = None
    trace: Trace | None = None
    ablation: Ablation = COMPLETE

    def record(self, level: str, state: Tensor) -> None:
        """Add a pass of `level` that put out `state` (B, T, D) to the trace, if there is one."""
        if self.trace is not None:
            self.trace.add(level, state, self.selection)

    def new_places(self, count: int, device: torch.device) -> Tensor:
        """Where the `count` newest tokens stand in their rows, pads counted in: (count,)."""
        start = self.cache.length if self.cache is not None else 0
        return torch.arange(start, start + count, device=device)

    def among(self, selection: Selection) -> "AttentionContext":
        """The same for the selected tokens alone, which need a cache to look back into.

        They see every token before them.
        """
        assert self.cache is not None
        places = (self.cache.length + selection.index)[..., None]  # (B, T', 1)
        keys = torch.arange(self.cache.length + selection.of_tokens, device=places.device)
        mask = keys <= places  # (B, T', S)
        if self.padding is not None:
            mask = mask & (keys >= self.padding[:, None, None])
        rows = len(selection.index)
        return replace(
            self,
            cos=None if self.cos is None else selection.pack(self.cos.expand(rows, *self.cos.shape[1:])),
            sin=None if self.sin is None else selection.pack(self.sin.expand(rows, *self.sin.shape[1:])),
            mask=(mask | (keys == places))[:, None],  # a pad sees itself alone
            causal=False,
            selection=selection,
        )


class Attention(nn.Module):
    """(B, T, D) to (B, T, D), each position seeing itself and what came before.

    With `qk_norm`, queries and keys have unit root mean square before the rotation, which
    bounds the attention logits (Henry et al. 2020).
    """

    def __init__(
        self, d_model: int, n_heads: int, *, qk_norm: bool, bias: bool = False, out_bias: bool | None = None
    ) -> None:
        """`out_bias` is for the last projection, where it differs from `bias`."""
        super().__init__()
        self.n_heads = n_heads
        self.qk_norm = qk_norm
        self.qkv = FusedLinear(d_model, 3 * d_model, parts=3, bias=bias)
        self.out = nn.Linear(d_model, d_model, bias=bias if out_bias is None else out_bias)

    def forward(self, x: Tensor, context: AttentionContext, slot: int) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.n_heads, width // self.n_heads)
        qk, v = qkv[:, :, :2], qkv[:, :, 2].transpose(1, 2)  # (B, T, 2, H, K), (B, H, T, K)
        if self.qk_norm:
            qk = rms_norm(qk)
        if context.cos is not None and context.sin is not None:
            qk = rotate(qk, context.cos, context.sin)
        q, k = qk.permute(2, 0, 3, 1, 4)  # (B, H, T, K) each
        if context.cache is not None:
            k, v = context.cache.update(slot, k, v, context.selection)  # (B, H, S, K)
        y = attend(q, k, v, context.mask, causal=context.causal)  # (B, H, T, K)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))

    def remember(self, x: Tensor, context: AttentionContext, slot: int) -> None:
        """Let later tokens see `x` (B, T, D) in this slot of the cache; it sees nothing itself."""
        assert context.cache is not None
        batch, length, width = x.shape
        bias = None if self.qkv.bias is None else self.qkv.bias[width:]
        kv = F.linear(x, self.qkv.weight[width:], bias).view(batch, length, 2, self.n_heads, -1)
        k, v = kv[:, :, :1], kv[:, :, 1].transpose(1, 2)  # (B, T, 1, H, K), (B, H, T, K)
        if self.qk_norm:
            k = rms_norm(k)
        if context.cos is not None and context.sin is not None:
            k = rotate(k, context.cos, context.sin)
        context.cache.update(slot, k.squeeze(2).transpose(1, 2), v, context.selection)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    """Scaled dot-product attention: queries (B, H, T, K) over keys and values (B, H, S, K)."""
    # torch's fused kernel takes three to five times longer over a bf16 backward pass on a CPU
    # than the three plain matrix products do, at the context lengths a CPU trains on.
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.size(2) <= 512:
        return _attend_in_steps(q, k, v, mask, causal=causal)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and mask is None)


def _attend_in_steps(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    scores = q @ k.transpose(-1, -2) * q.size(-1) ** -0.5  # (B, H, T, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    elif causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf"), dtype=scores.dtype).triu(1)
    return scores.softmax(dim=-1).to(v.dtype) @ v
