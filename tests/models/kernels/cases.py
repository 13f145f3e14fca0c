"""Compiled operations beside what torch computes: of each a call, the formula in torch, and what is given."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.kernels.attention import fused_attention
from models.kernels.feed_forward import fused_gelu, fused_swiglu
from models.kernels.heads import fused_heads
from models.kernels.norm import fused_norm
from models.kernels.residual import (
    Norm,
    add_then_norm,
    add_with_bias,
    add_with_copy,
    add_with_norm,
    with_norm,
)
from models.kernels.routing import choose, weighted_sum
from models.layers.rotary import rotary_tables, rotate

Formula = Callable[..., Any]


def drawn(*shape: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def normed(x: Tensor, gain: Tensor | None = None) -> Tensor:
    wide = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return wide if gain is None else wide * gain


def by_head(qkv: Tensor, cos: Tensor | None, sin: Tensor | None, epsilon: float | None) -> tuple[Tensor, ...]:
    qk, v = qkv.unflatten(-1, (3, 2, -1)).split((2, 1), dim=2)
    qk = qk if epsilon is None else normed(qk)
    qk = qk if cos is None or sin is None else rotate(qk, cos, sin)
    q, k = qk.permute(2, 0, 3, 1, 4)
    return q, k, v[:, :, 0].transpose(1, 2)


def by_part(
    x: Tensor, bias: Tensor, gain: Tensor, cos: Tensor, sin: Tensor, parts: int
) -> tuple[Tensor, ...]:
    first, *others = (x + bias).unflatten(-1, (parts, 2, -1)).unbind(2)
    turned = rotate(normed(first, gain), cos[:, :, 0], sin[:, :, 0])
    return tuple(one.transpose(1, 2) for one in (turned, *others))


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mask = torch.ones(q.size(2), k.size(2), dtype=torch.bool).tril(k.size(2) - q.size(2))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def silu_times(up: Tensor) -> Tensor:
    gate, value = up.chunk(2, dim=-1)
    return F.silu(gate) * value


def layer(gain: Tensor, bias: Tensor) -> Norm:
    return Norm(gain, bias, True, 1e-5)


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, gain.shape, gain, bias, 1e-5)


STATE = drawn(90, 33), drawn(33, seed=1), drawn(33, seed=2)
CHOSEN = drawn(3, 5, seed=5) > 0
COS, SIN = (table[None, :, None, None] for table in rotary_tables(6, 5))
OF_ROWS = [torch.cat((table, table.flip(1), -table)) for table in (COS, SIN)]
CASES: dict[str, tuple[Formula, Formula, tuple[Tensor, ...]]] = {
    "norm": (lambda x: fused_norm(x, None, 1e-6, x.dtype), normed, (drawn(3, 5, 37),)),
    "norm of small numbers": (
        lambda x: fused_norm(x, None, 1e-6, x.dtype), normed, (drawn(70, 8, scale=1e-3),),
    ),
    "norm with a gain": (
        lambda x, gain: fused_norm(x, gain, 1e-6, x.dtype), normed, (drawn(90, 33), drawn(33, seed=1)),
    ),
    "norm of a view": (
        lambda x: fused_norm(x.mT[:, 1:], None, 1e-6, x.dtype), lambda x: normed(x.mT[:, 1:]),
        (drawn(2, 16, 9),),
    ),
    "heads": (
        lambda x: fused_heads(x, 2, COS, SIN, 1e-6), lambda x: by_head(x, COS, SIN, 1e-6),
        (drawn(3, 5, 36),),
    ),
    "heads, rotated by rows": (
        lambda x: fused_heads(x, 2, *OF_ROWS, 1e-6), lambda x: by_head(x, *OF_ROWS, 1e-6),
        (drawn(3, 5, 36),),
    ),
    "heads, not normed": (
        lambda x: fused_heads(x, 2, COS, SIN, None), lambda x: by_head(x, COS, SIN, None),
        (drawn(3, 5, 36),),
    ),
    "heads alone": (
        lambda x: fused_heads(x, 2, None, None, None), lambda x: by_head(x, None, None, None),
        (drawn(3, 5, 30),),
    ),
    "swiglu": (fused_swiglu, silu_times, (drawn(4, 7, 34, scale=4),)),
    "swiglu, far out": (fused_swiglu, silu_times, (torch.tensor([[-300.0, 300, -30, 0, 2, 3, 4, 5]]),)),
    "heads with biases": (
        lambda x, bias: fused_heads(x, 2, COS, SIN, 1e-6, bias=bias),
        lambda x, bias: by_head(x + bias, COS, SIN, 1e-6),
        (drawn(3, 5, 36), drawn(36, seed=1)),
    ),
    "keys and values": (
        lambda x, bias, gain: fused_heads(x, 2, *OF_ROWS, 1e-6, parts=2, bias=bias, gain=gain),
        lambda x, bias, gain: by_part(x, bias, gain, *OF_ROWS, 2),
        (drawn(3, 5, 24), drawn(24, seed=1), drawn(6, seed=2)),
    ),
    "queries": (
        lambda x, bias, gain: fused_heads(x, 2, COS, SIN, 1e-6, parts=1, bias=bias, gain=gain),
        lambda x, bias, gain: by_part(x, bias, gain, COS, SIN, 1),
        (drawn(30, 5, 12), drawn(12, seed=1), drawn(6, seed=2)),
    ),
    "swiglu with a bias": (
        fused_swiglu, lambda up, bias: silu_times(up + bias), (drawn(90, 34), drawn(34, seed=1)),
    ),
    "gelu": (lambda x: fused_gelu(x, None), F.gelu, (drawn(4, 7, 34, scale=3),)),
    "gelu, far out": (
        lambda x: fused_gelu(x, None), F.gelu, (torch.tensor([[-300.0, 300, -30, 0, 6, -6, 4, -4]]),),
    ),
    "gelu with a bias": (
        fused_gelu, lambda x, bias: F.gelu(x + bias), (drawn(90, 34, scale=2), drawn(34, seed=1)),
    ),
    "attention": (fused_attention, attention, tuple(drawn(2, 3, 19, 8, seed=n) for n in range(3))),
    "attention over many keys": (
        fused_attention, attention, tuple(drawn(1, 2, 90, 33, seed=n) for n in range(3)),
    ),
    "attention behind a prefix": (
        fused_attention, attention, (drawn(2, 2, 37, 6), *(drawn(2, 2, 42, 6, seed=n) for n in (1, 2))),
    ),
    "attention, far out": (
        fused_attention, attention, tuple(drawn(1, 1, 35, 16, scale=scale) for scale in (30, 20, 1)),
    ),
    "attention of views": (
        lambda q, k, v: fused_attention(q.transpose(1, 2), k.mT, v[..., 1:].transpose(1, 2)),
        lambda q, k, v: attention(q.transpose(1, 2), k.mT, v[..., 1:].transpose(1, 2)),
        (drawn(2, 20, 3, 8), drawn(2, 3, 8, 20, seed=1), drawn(2, 20, 3, 9, seed=2)),
    ),
    "state and its norm": (
        lambda x, gain, bias: with_norm(x, layer(gain, bias), x.dtype),
        lambda x, gain, bias: (x, layer_norm(x, gain, bias)), STATE,
    ),
    "sum and its norm": (
        lambda x, gain, bias, y: add_with_norm(x, y, None, 0.0, layer(gain, bias), x.dtype),
        lambda x, gain, bias, y: (x + y, layer_norm(x + y, gain, bias)), (*STATE, drawn(90, 33, seed=3)),
    ),
    "sum with a bias and its rms norm": (
        lambda x, gain, bias, y: add_with_norm(x, y, bias, 0.0, Norm(gain, None, False, 1e-6), x.dtype),
        lambda x, gain, bias, y: (x + y + bias, normed(x + y + bias, gain)), (*STATE, drawn(90, 33, seed=3)),
    ),
    "norm of a sum": (
        lambda x, gain, bias, y: add_then_norm(x, y, gain, 0.0, layer(gain, bias), x.dtype)[0],
        lambda x, gain, bias, y: layer_norm(x + y + gain, gain, bias), (*STATE, drawn(90, 33, seed=3)),
    ),
    "rms norm of a sum": (
        lambda x, y: add_then_norm(x, y, None, 0.0, Norm(None, None, False, 1e-6), x.dtype)[0],
        lambda x, y: normed(x + y), (drawn(3, 5, 16), drawn(3, 5, 16, seed=1)),
    ),
    "sum with a bias": (
        lambda x, y, bias: add_with_bias(x, y, bias, 0.0), lambda x, y, bias: x + y + bias,
        (drawn(70, 2, 16), drawn(70, 2, 16, seed=1), drawn(16, seed=2)),
    ),
    "sum and its copy": (
        lambda x, y, bias: add_with_copy(x, y, bias, x.dtype), lambda x, y, bias: (x + y + bias,) * 2,
        (drawn(9, 16), drawn(9, 16, seed=1), drawn(16, seed=2)),
    ),
    "choice": (
        lambda yes, no: choose(CHOSEN, yes, no),
        lambda yes, no: torch.where(CHOSEN[:, None, :, None], yes, no),
        (drawn(3, 2, 5, 6), drawn(3, 2, 5, 6, seed=1)),
    ),
    "weighted sum": (
        lambda a, b, c, weights: weighted_sum([a, b, c], weights.float()).to(a.dtype),
        lambda a, b, c, weights: (torch.stack((a, b, c), dim=-1) @ weights[..., None]).squeeze(-1),
        (*(drawn(4, 7, 16, seed=n) for n in range(3)), drawn(4, 7, 3, seed=3)),
    ),
}  # fmt: skip
