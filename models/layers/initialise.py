"""How weights are drawn, and how to do without."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from models.layers.block import Block


def initialise(module: nn.Module, *, embedding_std: float = 1.0) -> None:
    """Draw every weight under `module` for an architecture that norms what it embeds.

    Projections are normal with deviation 0.7/sqrt(inputs). What a block adds to the residual
    stream starts as zero, so that a new model of any depth is the identity between its
    embedding and its head, and deep ones train as calmly as shallow ones. Behind a gate, which is shut
    at first, there has to be something, or it would never learn to open.
    """
    blocks = ((name, part) for name, part in module.named_modules() if isinstance(part, Block))
    gated = tuple(f"{name}." for name, block in blocks if block.gate is not None)
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding):
            # What came before colours a token; it does not drown it.
            nn.init.normal_(part.weight, std=embedding_std * (0.3 if "ngram_embeddings" in name else 1.0))
        elif isinstance(part, nn.Linear):
            if name.endswith(".out") and not name.startswith(gated):
                nn.init.zeros_(part.weight)
            else:
                nn.init.normal_(part.weight, std=0.7 * part.in_features**-0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class no_init(TorchFunctionMode):
    """A context in which new modules leave their weights as memory gave them.

    For a model whose weights are loaded next, or that is only laid out on the meta device: there,
    drawing a weight imports the whole of torch's compiler, which takes seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func`, unless it is one of torch.nn.init."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)
