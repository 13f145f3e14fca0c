"""A cache of latents: what keys and values are made from, and a fraction of their size."""

import torch
from torch import Tensor

from models.layers.kv_cache import KVCache
from models.layers.selection import Selection


class LatentCache(KVCache):
    """One latent for each token and slot, in the place of the key of a single head without values.

    `prefix` (slots, P, R) is what a learned prefix has in each slot. It depends on the weights
    alone, so that all rows share it; it is None until the first forward pass writes it.
    """

    def __init__(self, slots: int, batch: int, length: int, width: int, device: torch.device) -> None:
        super().__init__(slots, batch, 1, length, width, device, value_width=0)
        self.prefix: Tensor | None = None

    def recall(self, slot: int, latents: Tensor, selection: Selection | None = None) -> Tensor:
        """Write `latents` (B, T, R) behind what is held; return all of it, (B, S, R).

        `selection` is as `update` has it.
        """
        new = latents[:, None]  # (B, 1, T, R): the one head
        held, _ = self.update(slot, new, new[..., :0], selection)
        return held[:, 0]

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.prefix = None
