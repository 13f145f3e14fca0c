"""The model's own cache, in the shape of a cache of transformers.

A recursive model keeps one slot for every attention call, the tokens, and where tokens leave early, the keys
of their last pass. All of that is one KVCache. A cache of transformers is a list of layers. Here each layer
stands for one slot of the KVCache, and what changes all of them is done once, by the first.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer, StaticLayer

from models.depth import Depth
from models.layers.kv_cache import KVCache
from models.recursive_lm import RecursiveLM

_FIRST_ROOM = 64  # tokens beyond the prompt


class CacheState:
    """What all layers of one cache share."""

    def __init__(self, capacity: int | None) -> None:
        """`capacity` is the number of tokens that room is made for at once; None: it grows."""
        self.capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.kv: KVCache | None = None
        self.depth: Depth | None = None
        self.padding: Tensor | None = None
        """(B,): the pads at the start of each row; None where there are none."""
        self.ends_in_pads = False
        self.seen = 0
        """Tokens that were given, also those that the context has no room for any more."""

    @property
    def length(self) -> int:
        """The tokens that are held."""
        return 0 if self.kv is None else self.kv.length

    def prepare(self, model: RecursiveLM, batch: int, new: int, depth: Depth) -> KVCache:
        """The KVCache, with room for `new` more tokens. Raises ValueError for another batch or depth."""
        limit = model.config.context_length
        if self.kv is None:
            room = new + _FIRST_ROOM if self.capacity is None else max(new, self.capacity)
            self.kv, self.depth = model.new_cache(batch, min(limit, room), depth), depth
        if depth != self.depth:
            raise ValueError(f"The cache was filled at depth {self.depth}, and this call is at {depth}.")
        if batch != self.kv.keys.size(1):
            raise ValueError(f"The cache holds {self.kv.keys.size(1)} rows, and {batch} are given.")
        needed = self.kv.length + new
        if needed > self.kv.capacity:
            self.kv.reserve(min(limit, max(needed, 2 * self.kv.capacity)))
        return self.kv

    def select(self, rows: Tensor) -> None:
        """Keep, in this order, the batch rows of index `rows`."""
        if self.kv is not None:
            rows = rows.to(self.kv.keys.device)
            self.kv.select(rows)
            self.padding = None if self.padding is None else self.padding[rows]

    def remove(self, count: int) -> None:
        """Forget the newest `count` tokens. Raises ValueError where they are no longer held."""
        if count > self.length:
            raise ValueError(f"{count} tokens cannot be removed: the cache holds {self.length}.")
        if self.kv is not None:
            self.kv.truncate(self.kv.length - count)
            self.seen -= count


class SlotLayer(CacheLayerMixin):
    """One slot of the KVCache: what one attention call sees of earlier tokens."""

    is_sliding = False
    is_compileable = False
    is_croppable = True
    supports_early_init = False
    is_initialized = True

    def __init__(self, state: CacheState, slot: int) -> None:
        self.state = state
        self.slot = slot

    @property
    def keys(self) -> Tensor | None:
        """(B, H, S, K)"""
        kv = self.state.kv
        return None if kv is None else kv.keys[self.slot, :, :, : kv.length]

    @property
    def values(self) -> Tensor | None:
        """(B, H, S, K)"""
        kv = self.state.kv
        return None if kv is None else kv.values[self.slot, :, :, : kv.length]

    @property
    def batch_size(self) -> int:
        return -1 if self.state.kv is None else self.state.kv.keys.size(1)

    def lazy_initialization(self, *_: Any, **__: Any) -> None:
        """Nothing: the model makes the KVCache."""

    def update(self, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("The model writes to its cache itself.")

    def get_seq_length(self) -> int:
        return self.state.seen

    def get_mask_sizes(self, query_length: Any) -> tuple[int, int]:
        new = query_length if isinstance(query_length, int) else len(query_length)
        return self.state.seen + new, 0

    def get_max_length(self) -> int:
        return -1 if self.state.capacity is None else self.state.capacity

    def get_max_cache_shape(self) -> int:
        """As `get_max_length`; earlier versions of transformers call it by this name."""
        return self.get_max_length()

    def reset(self) -> None:
        if self.slot == 0:
            self.state.clear()

    def offload(self) -> None:
        """Nothing: the KVCache stays where the model is."""

    def prefetch(self) -> None:
        """Nothing, as in `offload`."""

    def reorder_cache(self, beam_idx: Tensor) -> None:
        if self.slot == 0:
            self.state.select(beam_idx)

    def crop(self, tokens_to_remove: int) -> None:
        """Remove the newest -`tokens_to_remove` tokens. A number above 0 is how many shall stay."""
        if self.slot == 0:
            removed = self.state.seen - tokens_to_remove if tokens_to_remove > 0 else -tokens_to_remove
            self.state.remove(max(0, removed))

    def batch_repeat_interleave(self, repeats: int) -> None:
        if self.slot == 0 and self.state.kv is not None:
            self.state.select(torch.arange(self.batch_size).repeat_interleave(repeats))

    def batch_select_indices(self, indices: Tensor) -> None:
        if self.slot == 0:
            self.state.select(indices)


def state_of(cache: Cache, slots: int) -> CacheState:
    """The state that the layers of `cache` share. An empty cache of transformers gets layers of this kind:
    one that grows, or of the length that a static one has. Raises ValueError for another kind of cache.
    """
    layers = cache.layers
    if layers and isinstance(layers[0], SlotLayer):
        state = layers[0].state
    else:
        known = all(type(layer) in (DynamicLayer, StaticLayer) for layer in layers)
        if not known or cache.get_seq_length() > 0:
            raise ValueError(
                "This model has a cache of its own, which takes the place of an empty dynamic or static one; "
                f"{type(cache).__name__} is neither. Leave `cache_implementation` out."
            )
        length = max((getattr(layer, "max_cache_len", 0) for layer in layers), default=0)
        state = CacheState(length or None)
    if (state.kv is None and len(layers) != slots) or not isinstance(layers[0], SlotLayer):
        cache.layers = [SlotLayer(state, slot) for slot in range(slots)]
        cache.layer_class_to_replicate = None
    return state
