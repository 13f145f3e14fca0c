"""What training computes between matrix products, on a CPU: each with its gradient in one pass over memory.

torch takes a pass for each operation, and some fifteen for the gradient of a norm. Here numbers are read
once, computed in float32 and written once. `can_fuse` says where that can be; elsewhere the layers use torch.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.kernels.library import compiled_library

_FORMATS = {torch.float32: 0, torch.bfloat16: 1}
_WIDEST = 1 << 14  # some lines lie on the stack of each thread
_PARTS = 64  # sums over all lines are taken in so many parts, whatever the number of threads
_TYPES: dict[str, Any] = {
    "p": ctypes.c_void_p, "l": ctypes.c_int64, "i": ctypes.c_int, "f": ctypes.c_float,
    "s": ctypes.c_uint64, "b": ctypes.c_uint32,
}  # fmt: skip
_ARGUMENTS = {
    "rlm_norm": "pippipllfi",
    "rlm_norm_gradient": "pppipippllli",
    "rlm_heads": "pppppipplllllfi",
    "rlm_heads_gradient": "pppppipppllllli",
    "rlm_swiglu": "ppilli",
    "rlm_swiglu_gradient": "pppilli",
    "rlm_causal_softmax": "ppillfi",
    "rlm_causal_softmax_gradient": "pppillfi",
    "rlm_add_dropped": "ppipillsbfi",
    "rlm_dropped_gradient": "pipillsbfi",
}
"""The types of the arguments in fused.c."""


def can_fuse(*tensors: Tensor) -> bool:
    """Whether gradients are computed, on a CPU that has the compiled code, in formats that it knows."""
    return (
        torch.is_grad_enabled()
        and all(one.device.type == "cpu" and one.dtype in _FORMATS for one in tensors)
        and all(0 < one.size(-1) <= _WIDEST for one in tensors)
        and not torch.compiler.is_compiling()
        and compiled_library() is not None
    )


def fused_norm(x: Tensor, gain: Tensor | None, epsilon: float, dtype: torch.dtype) -> Tensor:
    """`x` (…, D) over the root of its mean square plus `epsilon`, times `gain` (D,), in the format `dtype`.

    Where `dtype` is neither float32 nor bfloat16, in the format of `x`.

    With n = x / r and r that root, the gradient of x is (h - n * mean(h * n)) / r, where h is the output's
    gradient times the gain. That of the gain is the sum of the output's gradient times n.
    """
    found: Tensor = _Norm.apply(x, gain, epsilon, dtype if dtype in _FORMATS else x.dtype)
    return found


def fused_heads(
    qkv: Tensor, count: int, cos: Tensor | None, sin: Tensor | None, epsilon: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, (B, H, T, K) each, of `qkv` (B, T, 3 * H * K) for `count` heads.

    Queries and keys are normed with `epsilon`, unless it is None, and then rotated by `cos` and `sin`
    (B or 1, T, 1, 1, K), unless they are None, as `rotate` does.
    """
    q, k, v = _Heads.apply(qkv, count, cos, sin, epsilon)
    return q, k, v


def fused_swiglu(up: Tensor) -> Tensor:
    """silu(g) * v (…, F) of `up` (…, 2 * F), which holds g and v."""
    found: Tensor = _SwiGLU.apply(up)
    return found


def fused_causal_softmax(scores: Tensor, factor: float) -> Tensor:
    """Softmax of `scores` (…, T, T) times a `factor` above 0, over the keys up to each query's own place."""
    found: Tensor = _CausalSoftmax.apply(scores, factor)
    return found


def add_dropped(x: Tensor, y: Tensor, share: float) -> Tensor:
    """`x` plus `y`, both (…, D), of which a `share` is dropped at random and the rest scaled up.

    The sum has the number format of `x`. One number from torch's generator decides on all; the gradient
    uses it again.
    """
    found: Tensor = _AddDropped.apply(x, y, share)
    return found


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, epsilon: float, dtype: torch.dtype) -> Tensor:
        x, gain = x.contiguous(), None if gain is None else gain.float().contiguous()
        out, scales = _empty(x.shape, dtype), _empty(x.shape[:-1])
        sizes = (scales.numel(), x.size(-1))
        _call("rlm_norm", out, _FORMATS[dtype], scales, x, _FORMATS[x.dtype], gain, *sizes, epsilon)
        ctx.save_for_backward(x, gain, scales)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, gain, scales), g = ctx.saved_tensors, gradients[0].contiguous()
        of_x, parts = torch.empty_like(x), min(_PARTS, scales.numel())
        of_gain = None if gain is None else _empty((parts, x.size(-1)))
        _call("rlm_norm_gradient", of_x, of_gain, g, _FORMATS[g.dtype], x, _FORMATS[x.dtype], scales, gain,
              scales.numel(), x.size(-1), parts)  # fmt: skip
        return of_x, None if of_gain is None else of_gain.sum(0), None, None


class _Heads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, count: int, cos: Tensor | None, sin: Tensor | None, epsilon: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        qkv, (rows, tokens) = qkv.contiguous(), qkv.shape[:2]
        width = qkv.size(-1) // (3 * count)
        q, k, v = (_empty((rows, count, tokens, width), qkv.dtype) for _ in range(3))
        scales = None if epsilon is None else _empty((rows, tokens, 2, count))
        cos, sin = (None if one is None else one.float().contiguous() for one in (cos, sin))
        row_of_cos = tokens if cos is not None and cos.size(0) > 1 else 0
        ctx.sizes = (row_of_cos, rows, tokens, count, width)
        _call("rlm_heads", q, k, v, scales, qkv, _FORMATS[qkv.dtype], cos, sin, *ctx.sizes, epsilon or 0.0)
        ctx.save_for_backward(qkv, scales, cos, sin)
        return q, k, v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        qkv, scales, cos, sin = ctx.saved_tensors
        of_qkv, parts = torch.empty_like(qkv), [one.to(qkv.dtype).contiguous() for one in gradients]
        _call("rlm_heads_gradient", of_qkv, *parts, qkv, _FORMATS[qkv.dtype], scales, cos, sin, *ctx.sizes)
        return of_qkv, None, None, None, None


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, up: Tensor) -> Tensor:
        up, width = up.contiguous(), up.size(-1) // 2
        out = _empty((*up.shape[:-1], width), up.dtype)
        _call("rlm_swiglu", out, up, _FORMATS[up.dtype], up.numel() // up.size(-1), width)
        ctx.save_for_backward(up)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (up,), g = ctx.saved_tensors, gradients[0]
        of_up, g = torch.empty_like(up), g.to(up.dtype).contiguous()
        lines, width = up.numel() // up.size(-1), up.size(-1) // 2
        _call("rlm_swiglu_gradient", of_up, g, up, _FORMATS[up.dtype], lines, width)
        return of_up


class _CausalSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, factor: float) -> Tensor:
        scores, width = scores.contiguous(), scores.size(-1)
        shares = torch.empty_like(scores)
        ctx.sizes = (_FORMATS[scores.dtype], scores.numel() // width**2, width, factor)
        _call("rlm_causal_softmax", shares, scores, *ctx.sizes)
        ctx.save_for_backward(shares)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (shares,) = ctx.saved_tensors
        of_scores, g = torch.empty_like(shares), gradients[0].to(shares.dtype).contiguous()
        _call("rlm_causal_softmax_gradient", of_scores, g, shares, *ctx.sizes)
        return of_scores, None


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, share: float) -> Tensor:
        x, y = x.contiguous(), y.contiguous()
        seed = int(_empty((), torch.int64).random_())
        ctx.format, ctx.draws = y.dtype, (seed, min(round(share * 2**32), 2**32 - 1), 1 / (1 - share))
        out, sizes = torch.empty_like(x), (x.numel() // x.size(-1), x.size(-1))
        _call("rlm_add_dropped", out, x, _FORMATS[x.dtype], y, _FORMATS[y.dtype], *sizes, *ctx.draws)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        g = gradients[0].contiguous()
        of_y, sizes = _empty(g.shape, ctx.format), (g.numel() // g.size(-1), g.size(-1))
        _call("rlm_dropped_gradient", of_y, _FORMATS[ctx.format], g, _FORMATS[g.dtype], *sizes, *ctx.draws)
        return g, of_y, None


def _empty(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Memory for what fused.c writes, whatever format and device are torch's default now."""
    return torch.empty(shape, dtype=dtype, device="cpu")


def _call(name: str, *arguments: Any) -> None:
    """Call a function of fused.c with tensors by their address, in as many threads as torch has."""
    library = compiled_library()
    assert library is not None
    function = getattr(library, name)
    if function.argtypes is None:
        function.argtypes, function.restype = [_TYPES[one] for one in _ARGUMENTS[name]], None
    given = [one.data_ptr() if isinstance(one, Tensor) else one for one in arguments]
    function(*given, torch.get_num_threads())
