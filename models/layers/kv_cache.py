"""The keys and values of earlier tokens, in one slot for every attention call of a forward pass."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from models.layers.selection import Selection


class KVCache:
    """Preallocated keys and values. A slot is the running number of an attention call.

    A block that is applied R times has R slots, since its input differs from pass to pass. `keys` and
    `values` are (slots, B, H, S, K): room for S tokens, of which the first `length` are filled.
    """

    only_trains: ClassVar[bool] = False
    """Whether it holds keys and values of the same tokens in an earlier pass, with their gradients."""

    def __init__(
        self,
        slots: int,
        batch: int,
        n_heads: int,
        length: int,
        head_width: int,
        device: torch.device,
        value_width: int | None = None,
    ) -> None:
        """`value_width` is the width of values; None: as wide as keys."""
        self.keys = torch.zeros(slots, batch, n_heads, length, head_width, device=device)
        value_width = head_width if value_width is None else value_width
        self.values = torch.zeros(slots, batch, n_heads, length, value_width, device=device)
        self.tokens = torch.zeros(batch, length, dtype=torch.int64, device=device)
        self.length = 0

    @property
    def capacity(self) -> int:
        return self.keys.size(3)

    @property
    def bytes_per_token(self) -> int:
        """The bytes of one token's keys and values in one slot."""
        n_heads, width = self.keys.size(2), self.keys.size(-1) + self.values.size(-1)
        return n_heads * width * self.keys.element_size()

    def update(
        self, slot: int, k: Tensor, v: Tensor, selection: Selection | None = None
    ) -> tuple[Tensor, Tensor]:
        """Append `k` and `v` (B, H, T, K) of the new tokens; return those of all tokens, (B, H, S, K).

        With a `selection`, `k` and `v` are (B, H, T', K), of the selected new tokens alone; the other new
        tokens keep what they have in this slot.
        """
        if selection is None:
            end = self.length + k.size(2)
            self.keys[slot, :, :, self.length : end] = k
            self.values[slot, :, :, self.length : end] = v
        else:
            end = self.length + selection.of_tokens
            for stored, new in ((self.keys[slot], k), (self.values[slot], v)):
                old = stored[:, :, self.length : end].transpose(1, 2)  # (B, T, H, K)
                spread = selection.spread(new.transpose(1, 2), old)  # (B, T, H, K)
                stored[:, :, self.length : end] = spread.transpose(1, 2)
        return self.keys[slot, :, :, :end].to(k.dtype), self.values[slot, :, :, :end].to(v.dtype)

    def repeat(self, from_slots: range, to_slots: range, tokens: int) -> None:
        """Copy the keys and values of the newest `tokens` tokens from `from_slots` to `to_slots`."""
        new = slice(self.length, self.length + tokens)
        for source, target in zip(from_slots, to_slots, strict=True):
            self.keys[target, :, :, new] = self.keys[source, :, :, new]
            self.values[target, :, :, new] = self.values[source, :, :, new]

    def places(self, count: int) -> Tensor:
        """The places of the `count` tokens after the last one, pads included: (1, count)."""
        return torch.arange(self.length, self.length + count, device=self.keys.device)[None]

    def append_ids(self, tokens: Tensor) -> None:
        """Append the ids `tokens` (B, T)."""
        self.tokens[:, self.length : self.length + tokens.size(1)] = tokens

    def last_tokens(self, count: int) -> Tensor:
        """The ids of the last `count` tokens, or of all if there are fewer: (B, up to count)."""
        return self.tokens[:, max(0, self.length - count) : self.length]

    def advance(self, tokens: int) -> None:
        """Add `tokens` to `length`, once every slot has them."""
        self.length += tokens

    def reserve(self, capacity: int) -> None:
        """Make room for `capacity` tokens at least. Those that are there stay."""
        more = capacity - self.capacity
        if more > 0:
            self.keys = F.pad(self.keys, (0, 0, 0, more))
            self.values = F.pad(self.values, (0, 0, 0, more))
            self.tokens = F.pad(self.tokens, (0, more))

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self.length = min(self.length, length)

    def reset(self) -> None:
        """Forget everything."""
        self.length = 0

    def take(self, row: int, source: "KVCache", source_row: int, tokens: int) -> None:
        """Make the newest `tokens` tokens of a row of `source` the newest ones of `row`.

        Both caches are of the same model and depth, and each has that many tokens.
        """
        here = slice(self.length - tokens, self.length)
        there = slice(source.length - tokens, source.length)
        self.keys[:, row, :, here] = source.keys[:, source_row, :, there]
        self.values[:, row, :, here] = source.values[:, source_row, :, there]
        self.tokens[row, here] = source.tokens[source_row, there]

    def select(self, rows: Tensor) -> None:
        """Keep, in this order, the batch rows of index `rows` (B',)."""
        self.keys = self.keys[:, rows]
        self.values = self.values[:, rows]
        self.tokens = self.tokens[rows]
