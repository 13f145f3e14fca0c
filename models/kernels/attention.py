"""Causal attention on a CPU, with its gradient: scores are computed head by head and kept in the caches."""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.calls import FORMATS, call, can_fuse, empty

_MOST_KEYS = 2048  # a head of more would leave the caches


def can_fuse_attention(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether `fused_attention` takes these queries, keys and values."""
    alike = q.dtype == k.dtype == v.dtype and q.size(-1) == k.size(-1) == v.size(-1)
    return alike and q.size(2) <= k.size(2) <= _MOST_KEYS and can_fuse(q, k, v)


def fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of queries (B, H, T, K) over keys and values (B, H, S, K), S at least T: (B, H, T, K).

    The last query sees all keys, and each one before sees one key less. With p = softmax(q k^T / sqrt(K)),
    output y = p v and gradient g of y, the gradient of v is p^T g. That of the scores is
    s = p * (g v^T - the sum of p * g v^T), so that those of q and k are s k and s^T q, over sqrt(K).
    """
    found: Tensor = _Attention.apply(q, k, v)
    return found


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (_in_lines(one) for one in (q, k, v))
        rows, heads, queries, width = q.shape
        out = empty((rows, queries, heads, width), q.dtype).transpose(1, 2)  # (B, H, T, K)
        norms = empty((rows, heads, queries, 2))
        ctx.sizes = (rows, heads, queries, k.size(2), width, width**-0.5)
        call("rlm_attention", out, q, k, v, FORMATS[q.dtype], norms, _strides(out, q, k, v), *_rooms(k),
             *ctx.sizes)  # fmt: skip
        ctx.save_for_backward(q, k, v, norms)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, norms = ctx.saved_tensors
        g, found = _in_lines(gradients[0].to(q.dtype)), [empty(one.shape, q.dtype) for one in (q, k, v)]
        strides = _strides(g, q, k, v, *found)
        call("rlm_attention_gradient", *found, g, q, k, v, FORMATS[q.dtype], norms, strides, *_rooms(k),
             *ctx.sizes)  # fmt: skip
        return found[0], found[1], found[2]


def _in_lines(x: Tensor) -> Tensor:
    """`x` with the numbers of its last dimension side by side in memory."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _strides(*tensors: Tensor) -> Any:
    """The first three strides of each, in elements."""
    numbers = [stride for one in tensors for stride in one.stride()[:3]]
    return (ctypes.c_int64 * len(numbers))(*numbers)


def _rooms(keys: Tensor) -> tuple[Tensor, int]:
    """Memory for each thread, and how many numbers that is: what attention.c needs for a head."""
    wide, length = (-(-size // 16) * 16 for size in (keys.size(-1), keys.size(2)))  # whole panels
    room = 5 * wide * length + 96 * wide + 64 * length
    return empty((torch.get_num_threads(), room)), room
