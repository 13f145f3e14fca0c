"""Keys and values of tokens already seen, one slot for every attention call of a forward pass."""

import torch
from torch import Tensor


class KVCache:
    """Preallocated keys and values, indexed by slot: the running number of the attention call.

    A block that is applied R times has R slots, since each pass sees other states. `keys` and
    `values` are (slots, B, H, S, K); `length` tokens are held of the S there is room for.
    """

    def __init__(
        self, slots: int, batch: int, n_heads: int, length: int, head_width: int, device: torch.device
    ) -> None:
        self.keys = torch.zeros(slots, batch, n_heads, length, head_width, device=device)
        self.values = torch.zeros_like(self.keys)
        self.tokens = torch.zeros(batch, length, dtype=torch.int64, device=device)
        self.length = 0

    @property
    def capacity(self) -> int:
        return self.keys.size(3)

    def update(self, slot: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write `k`, `v` (B, H, T, K) behind what is held; return all of it, (B, H, S, K)."""
        end = self.length + k.size(2)
        self.keys[slot, :, :, self.length : end] = k
        self.values[slot, :, :, self.length : end] = v
        return self.keys[slot, :, :, :end].to(k.dtype), self.values[slot, :, :, :end].to(v.dtype)

    def hold(self, tokens: Tensor) -> None:
        """Write the ids `tokens` (B, T) behind those held."""
        self.tokens[:, self.length : self.length + tokens.size(1)] = tokens

    def last_tokens(self, count: int) -> Tensor:
        """The ids of the last `count` tokens held, or of all where there are fewer: (B, <= count)."""
        return self.tokens[:, max(0, self.length - count) : self.length]

    def advance(self, tokens: int) -> None:
        """Count `tokens` as held, once every slot has them."""
        self.length += tokens

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self.length = min(self.length, length)

    def reset(self) -> None:
        """Forget everything."""
        self.length = 0

    def select(self, rows: Tensor) -> None:
        """Keep, in this order, the batch rows of index `rows` (B',)."""
        self.keys = self.keys[:, rows]
        self.values = self.values[:, rows]
        self.tokens = self.tokens[rows]
