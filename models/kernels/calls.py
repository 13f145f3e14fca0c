"""What training computes between matrix products, on a CPU: calls of compiled functions.

torch takes a pass over memory for each operation. The modules beside this one read numbers once, compute with
them in float32 and write them once. `can_fuse` says where that can be; elsewhere the layers use torch.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.kernels.library import compiled_library

FORMATS = {torch.float32: 0, torch.bfloat16: 1}
"""The number formats that compiled functions know, by what stands for them in C."""
_WIDEST = 1 << 14  # some lines lie on the stack of each thread
PARTS = 64
"""Sums over all lines are taken in so many parts, whatever the number of threads."""
_TYPES: dict[str, Any] = {
    "p": ctypes.c_void_p, "l": ctypes.c_int64, "i": ctypes.c_int, "f": ctypes.c_float,
    "s": ctypes.c_uint64, "b": ctypes.c_uint32,
}  # fmt: skip
_ARGUMENTS = {
    "rlm_norm": "pippipllfi",
    "rlm_norm_gradient": "pppipippllli",
    "rlm_heads": "ppppppppi",
    "rlm_heads_gradient": "pppppppppppli",
    "rlm_swiglu": "ppiplli",
    "rlm_swiglu_gradient": "ppppipllli",
    "rlm_attention": "ppppipppllllllfi",
    "rlm_attention_gradient": "pppppppipppllllllfi",
    "rlm_residual": "ppppppppppi",
    "rlm_residual_gradient": "ppppppppppppli",
    "rlm_gelu": "ppiplli",
    "rlm_gelu_gradient": "ppppipllli",
    "rlm_choose": "pppplllli",
    "rlm_weighted_sum": "ppipllli",
    "rlm_weighted_sum_gradient": "ppppipllli",
}
"""The types of the arguments in the C files."""


def can_fuse(*tensors: Tensor) -> bool:
    """Whether gradients are computed, on a CPU that has the compiled code, in formats that it knows."""
    return (
        torch.is_grad_enabled()
        and all(one.device.type == "cpu" and one.dtype in FORMATS for one in tensors)
        and all(0 < one.size(-1) <= _WIDEST for one in tensors)
        and not torch.compiler.is_compiling()
        and compiled_library() is not None
    )


def empty(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Memory for what compiled code writes, whatever format and device are torch's default now."""
    return torch.empty(shape, dtype=dtype, device="cpu")


def float_line(values: Tensor | None) -> Tensor | None:
    """`values` in float32, side by side in memory."""
    return None if values is None else values.float().contiguous()


def drawn_seed() -> int:
    """A seed of dropout, from torch's generator."""
    return int(empty((), torch.int64).random_())


def call(name: str, *arguments: Any) -> None:
    """Call a compiled function with tensors by their address, in as many threads as torch has."""
    library = compiled_library()
    assert library is not None
    function = getattr(library, name)
    if function.argtypes is None:
        function.argtypes, function.restype = [_TYPES[one] for one in _ARGUMENTS[name]], None
    given = [one.data_ptr() if isinstance(one, Tensor) else one for one in arguments]
    function(*given, torch.get_num_threads())


def addresses(tensors: Sequence[Tensor]) -> Any:
    """Those of the numbers of `tensors`, as an array of pointers."""
    return (ctypes.c_void_p * len(tensors))(*(one.data_ptr() for one in tensors))
