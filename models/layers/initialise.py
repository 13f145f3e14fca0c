"""How weights are drawn, and how to leave them undrawn."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from models.layers.block import Block

HEAD_STD = 0.02
"""The standard deviation of a new head, also where it is the embedding too."""


def initialise(module: nn.Module, *, embedding_std: float = 1.0) -> None:
    """Draw every weight of `module`, for an architecture that norms its embedding.

    Projections are normal with a standard deviation of 0.7/sqrt(inputs). The last projection of each half
    of a block is zero, so that a new model of any depth is the identity between its embedding and its
    head, and a deep model trains as steadily as a shallow one. A block with a gate has no such zeros: the
    closed gate already makes it the identity, and with zeros behind it the gate would get no gradient.
    """
    blocks = ((name, part) for name, part in module.named_modules() if isinstance(part, Block))
    gated = tuple(f"{name}." for name, block in blocks if block.gate is not None)
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding):
            # Smaller, so that the tokens before it change an embedding less than the token itself does.
            nn.init.normal_(part.weight, std=embedding_std * (0.3 if "ngram_embeddings" in name else 1.0))
        elif isinstance(part, nn.Linear):
            if name.endswith(".out") and not name.startswith(gated):
                nn.init.zeros_(part.weight)
            else:
                nn.init.normal_(part.weight, std=0.7 * part.in_features**-0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def draw_head(head: nn.Linear, tied_to: nn.Embedding | None = None) -> None:
    """Draw the weights of `head`, so small that all tokens are about as likely at first. With `tied_to`, head
    and embedding are one from now on."""
    if tied_to is not None:
        head.weight = tied_to.weight
    nn.init.normal_(head.weight, std=HEAD_STD)


class no_init(TorchFunctionMode):
    """A context manager in which new modules do not draw their weights.

    For a model whose weights are loaded next, and for one on the meta device: drawing a weight there
    imports torch's compiler, which takes seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, unless it belongs to torch.nn.init."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)
