"""Pack the tokens of a batch that are still computed, so that the others cost nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the T tokens in each of B rows, as a (B, T') batch.

    `index` (B, T') is the place of each packed token among the T, in ascending order. Rows with fewer than
    T' selected tokens are filled with others; `valid` (B, T') is False for those.
    """

    index: Tensor
    valid: Tensor
    of_tokens: int
    """T."""

    @classmethod
    def of(cls, chosen: Tensor) -> "Selection":
        """The tokens that are True in `chosen` (B, T), at least one."""
        counts = chosen.sum(dim=1)  # (B,)
        width = int(counts.max())
        index = chosen.logical_not().byte().argsort(dim=1, stable=True)[:, :width]
        return cls(index, torch.arange(width, device=chosen.device) < counts[:, None], chosen.size(1))

    @property
    def tokens(self) -> int:
        """How many tokens are computed, including the ones that fill rows."""
        return self.index.numel()

    def pack(self, x: Tensor) -> Tensor:
        """The selected tokens of `x` (B, T, …), as (B, T', …)."""
        return x.gather(1, self._index_like(x))

    def spread(self, packed: Tensor, over: Tensor) -> Tensor:
        """`over` (B, T, …) with the selected tokens replaced by `packed` (B, T', …)."""
        index = self._index_like(over)
        valid = self.valid.view(*self.valid.shape, *[1] * (over.ndim - 2))
        return over.scatter(1, index, torch.where(valid, packed.to(over.dtype), over.gather(1, index)))

    def _index_like(self, x: Tensor) -> Tensor:
        index = self.index.view(*self.index.shape, *[1] * (x.ndim - 2))
        return index.expand(*self.index.shape, *x.shape[2:])
