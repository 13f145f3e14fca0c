"""Growing without changing what is computed: what a module does about its own new parts."""

from abc import ABC, abstractmethod

from torch import nn


class Growing(ABC):
    """A module that may have more parameters than the one it grew from."""

    @abstractmethod
    def keep_function(self, before: nn.Module) -> None:
        """Compute what `before` does, given its weights in their places and fresh ones in the new.

        Of `before` only the shapes may be looked at: it holds no numbers.
        """
