"""A cache of latents, from which keys and values are computed. It is a fraction of their size."""

import torch
from torch import Tensor

from models.layers.kv_cache import KVCache
from models.layers.selection import Selection


class LatentCache(KVCache):
    """One latent for each token and slot. It is stored as the key of a single head; there are no values.

    `prefix` (slots, P, R) holds the latents of a learned prefix. They depend on the weights alone, so all
    rows share them. It is None until the first forward pass writes it.
    """

    def __init__(self, slots: int, batch: int, length: int, width: int, device: torch.device) -> None:
        super().__init__(slots, batch, 1, length, width, device, value_width=0)
        self.prefix: Tensor | None = None

    def recall(self, slot: int, latents: Tensor, selection: Selection | None = None) -> Tensor:
        """Append `latents` (B, T, R) of the new tokens; return those of all tokens, (B, S, R).

        `selection` means what it does in `update`.
        """
        new = latents[:, None]  # (B, 1, T, R): the one head
        stored, _ = self.update(slot, new, new[..., :0], selection)  # (B, 1, S, R)
        return stored[:, 0]

    def take(self, row: int, source: KVCache, source_row: int, tokens: int) -> None:
        """Make the newest `tokens` tokens of a row of `source` the newest ones of `row`."""
        assert isinstance(source, LatentCache)
        super().take(row, source, source_row, tokens)
        self.prefix = source.prefix

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.prefix = None
