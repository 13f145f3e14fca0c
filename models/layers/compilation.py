"""torch.compile for blocks. One graph serves a block in every pass, so depth costs no graph."""

import contextlib
import shutil
from collections.abc import Iterator

import torch
from torch import nn

from models.layers.block import Block


def compiler_problem(device: torch.device) -> str | None:
    """Why this machine cannot compile, or None."""
    if device.type == "mps":
        return "the compiler does not support this device well"
    if device.type == "cpu" and not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        return "there is no C++ compiler"
    return None


def compile_blocks(model: nn.Module) -> None:
    """Have every block of `model` compiled at its next call."""
    for part in model.modules():
        if isinstance(part, Block):
            part.compile(dynamic=False)


@contextlib.contextmanager
def uncompiled(compiled: bool) -> Iterator[None]:
    """Run blocks without compilation where they are `compiled`: each new shape would compile them again."""
    if not compiled:  # setting a stance imports the compiler, which takes seconds
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
