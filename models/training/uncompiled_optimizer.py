"""Optimizers that do not import the compiler of torch."""

import inspect
from typing import TypeVar

import torch

_Kind = TypeVar("_Kind", bound=type[torch.optim.Optimizer])
_METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def uncompiled_optimizer(kind: _Kind) -> _Kind:
    """Decorate a class of optimizers that no compiled code calls.

    torch wraps some methods so that its compiler leaves them out. At the first call the wrapper imports the
    compiler, which takes most of a second, even where nothing is compiled.
    """
    for name in _METHODS:
        method = getattr(kind, name)
        if getattr(method, "__globals__", {}).get("__name__") == "torch._compile":
            setattr(kind, name, method.__wrapped__)
    return kind


@uncompiled_optimizer
class AdamW(torch.optim.AdamW):
    """AdamW of torch, which changes no gradient of its own steps ("differentiable")."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
