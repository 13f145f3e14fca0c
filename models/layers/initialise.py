"""How weights are drawn."""

from torch import nn


def initialise(module: nn.Module, *, embedding_std: float = 1.0) -> None:
    """Draw every weight under `module` for an architecture that norms what it embeds.

    Projections are normal with deviation 0.7/sqrt(inputs). What a block adds to the residual
    stream starts as zero, so that a new model of any depth is the identity between its
    embedding and its head, and deep ones train as calmly as shallow ones.
    """
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding):
            # What came before colours a token; it does not drown it.
            nn.init.normal_(part.weight, std=embedding_std * (0.3 if "earlier" in name else 1.0))
        elif isinstance(part, nn.Linear):
            if name.endswith(".out"):
                nn.init.zeros_(part.weight)
            else:
                nn.init.normal_(part.weight, std=0.7 * part.in_features**-0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
