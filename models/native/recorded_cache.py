"""What stands for the cache of keys and values while a step is recorded."""

from torch import Tensor
from torch.overrides import handle_torch_function

from models.layers.kv_cache import KVCache
from models.layers.selection import Selection


class UnrecordableError(Exception):
    """A step that cannot be repeated as a list of operations."""


class RecordedCache(KVCache):
    """Stands for the cache of a step, while it is recorded. Nothing is written into it.

    `recent` (B, N + 1) holds the ids of the N tokens before the new one, and its own. `places` (B, 1) is the
    place of the new token in its text.
    """

    def __init__(self, recent: Tensor, places: Tensor) -> None:
        rows = recent.size(0)
        super().__init__(0, rows, 1, 2, 1, recent.device)
        self.length = 1  # there are tokens before this one
        self._recent, self._places = recent, places

    def update(
        self, slot: int, k: Tensor, v: Tensor, selection: Selection | None = None
    ) -> tuple[Tensor, Tensor]:
        if selection is not None:
            raise UnrecordableError("a selection of tokens")
        return stored(k, v, slot)

    def repeat(self, from_slots: range, to_slots: range, tokens: int) -> None:
        raise UnrecordableError("tokens that leave")

    def places(self, count: int) -> Tensor:
        return self._places

    def append_ids(self, tokens: Tensor) -> None:
        pass

    def last_tokens(self, count: int) -> Tensor:
        return self._recent[:, -1 - count : -1]


def stored(k: Tensor, v: Tensor, slot: int) -> tuple[Tensor, Tensor]:
    """Stand-ins for all keys and values of a slot, with those of the new token, `k` and `v` (B, H, 1, K).

    The recorder notes the call.
    """
    found: tuple[Tensor, Tensor] = handle_torch_function(stored, (k, v), k, v, slot)
    return found
