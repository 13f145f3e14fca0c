"""Token arrays to batches. A batch is a pure function of its position, so the state of the data order is one
integer, however often a training stops and resumes."""

import mmap
from collections.abc import Iterator

import numpy as np

from data.loss_marks import MARK
from data.permutation import GOLDEN_GAMMA, permute, splitmix64

IGNORED = -1
"""The target where there is nothing to predict."""

_PAGES_TOUCHED_BY_A_READ = 64 * 2**10
_RELEASE_AFTER_BYTES = 32 * 2**20


class BlockSampler:
    """An endless shuffled sequence of blocks of T + 1 tokens: T inputs, and the T targets that follow them.

    An epoch visits every block once, in its own order. Its blocks begin at its own offset in [0, T), so that
    each epoch cuts the text at other places. Within an epoch no token is a target twice.
    """

    def __init__(self, tokens: np.ndarray, context_length: int, seed: int) -> None:
        """`tokens` (N,) of any unsigned type, N > context_length, or ValueError."""
        if len(tokens) <= context_length:
            raise ValueError(f"{len(tokens)} tokens hold no block of {context_length} and its targets")
        self.tokens = tokens
        self.context_length = context_length
        self.blocks_per_epoch = max(1, (len(tokens) - context_length) // context_length)
        spare = len(tokens) - 1 - self.blocks_per_epoch * context_length
        self._offsets = min(context_length, spare + 1)
        self._key = splitmix64(np.array([seed % 2**64], dtype=np.uint64))
        self._windows = np.lib.stride_tricks.sliding_window_view(np.asarray(tokens), context_length + 1)
        self._resident = _Resident(tokens)

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, T + 1) int64: the blocks number `position` to `position` + B - 1 of the endless sequence."""
        return self.blocks(np.arange(position, position + batch_size, dtype=np.uint64))

    def blocks(self, indices: np.ndarray) -> np.ndarray:
        """(B, T + 1) int64: the blocks of these numbers, (B,) integers from 0 up in any order."""
        blocks = self._windows[self._starts(indices.astype(np.uint64))].astype(np.int64)  # (B, T + 1)
        self._resident.read(len(indices), self.context_length + 1)
        return blocks

    def _starts(self, drawn: np.ndarray) -> np.ndarray:
        """(B,) the place of each block's first token."""
        epochs, places = np.divmod(drawn, np.uint64(self.blocks_per_epoch))
        keys = splitmix64(self._key + epochs * GOLDEN_GAMMA)
        offsets = splitmix64(keys ^ GOLDEN_GAMMA) % np.uint64(self._offsets)
        blocks = permute(places, keys, self.blocks_per_epoch)
        return (offsets + blocks * np.uint64(self.context_length)).astype(np.int64)


def validation_windows(
    tokens: np.ndarray, context_length: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows that do not overlap, in order: inputs (B, T) and targets (B, T), both int64.

    Every token but the first is a target exactly once. The last window is padded with zeros whose targets
    are IGNORED, and the last batch can have fewer windows than `batch_size`. Tokens with a mark
    (data/loss_marks.py) are IGNORED as targets too.
    """
    resident = _Resident(tokens)
    targets_left = max(0, len(tokens) - 1)
    span = context_length * batch_size
    for start in range(0, targets_left, span):
        part = np.asarray(tokens[start : start + span + 1]).astype(np.int64)
        count = len(part) - 1
        rows = -(-count // context_length)
        inputs = np.zeros(rows * context_length, dtype=np.int64)
        targets = np.full(rows * context_length, IGNORED, dtype=np.int64)
        inputs[:count], targets[:count] = inputs_and_targets(part)
        resident.read(1, count)
        yield inputs.reshape(rows, context_length), targets.reshape(rows, context_length)


def inputs_and_targets(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and the targets (…, T) of blocks (…, T + 1) int64; a token with a mark is no target."""
    targets = blocks[..., 1:]
    return blocks[..., :-1] & (MARK - 1), np.where(targets < MARK, targets, IGNORED)


class _Resident:
    """Bounds how much of a memory map counts as memory of this process.

    The system counts pages that were read as the process's until it is short of memory. Pages that are
    handed back are no longer counted, and stay in the system's cache.
    """

    def __init__(self, tokens: np.ndarray) -> None:
        mapped = getattr(tokens, "_mmap", None)
        self._map = mapped if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
        self._itemsize = tokens.itemsize
        self._touched = 0

    def read(self, places: int, tokens_each: int) -> None:
        """Count `places` reads of `tokens_each` tokens each, and hand all pages back once they are many."""
        self._touched += places * (tokens_each * self._itemsize + _PAGES_TOUCHED_BY_A_READ)
        if self._map is not None and self._touched > _RELEASE_AFTER_BYTES:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
