"""New text with a share of old text in it, so that a model keeps what it knows while it learns.

Like the samplers it draws on, a pure function of the position: a run that stops and goes on
sees the same batches.
"""

from collections.abc import Sequence

import numpy as np

from data.loader import BlockSampler

_SHARES = 10_000
_GOLDEN = (5**0.5 - 1) / 2


class MixedSampler:
    """BlockSampler's surface over a fresh corpus and the ones to be replayed.

    With s the share, sequence p is a replayed one where floor((p + 1) s) > floor(p s): evenly
    spread, and known without counting. Of the replayed corpora each gets a part that goes with its
    length: every token of them comes again as often.
    """

    def __init__(self, fresh: BlockSampler, replayed: Sequence[BlockSampler], share: float) -> None:
        """`share` in [0, 1) of all sequences is replayed, to four decimals; without a corpus to
        replay it is 0. Raises ValueError for another share or unequal context lengths."""
        parts = round(share * _SHARES)
        if not 0 <= parts < _SHARES:
            raise ValueError(f"a share of {share} is not in [0, 1)")
        if any(old.context_length != fresh.context_length for old in replayed):
            raise ValueError("the corpora of a mixture are cut to different context lengths")
        self.context_length = fresh.context_length
        self._fresh = fresh
        self._replayed = tuple(replayed)
        lengths = np.array([len(old.tokens) for old in replayed], dtype=np.float64)
        self._ends = np.cumsum(lengths) / max(1.0, lengths.sum())  # of each corpus' part of [0, 1)
        self._parts = parts if replayed else 0
        self.blocks_per_epoch = (fresh.blocks_per_epoch - 1) * _SHARES // (_SHARES - self._parts) + 1
        """Of the mixture: the sequences in which the fresh text is read once."""

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, T + 1) int64: the sequences number position to position + B - 1 of all ever drawn."""
        places = np.arange(position, position + batch_size, dtype=np.int64)
        old_before = places * self._parts // _SHARES  # (B,) the replayed sequences before each
        is_old = (places + 1) * self._parts // _SHARES > old_before
        blocks = np.empty((batch_size, self.context_length + 1), dtype=np.int64)
        blocks[~is_old] = self._fresh.blocks((places - old_before)[~is_old])
        # Multiples of the golden ratio fill [0, 1) evenly, however many there are (Weyl 1916).
        corpora = np.searchsorted(self._ends, old_before * _GOLDEN % 1.0, side="right")
        corpora = np.minimum(corpora, len(self._replayed) - 1)  # the last end may be rounded below 1
        for number, sampler in enumerate(self._replayed):
            rows = is_old & (corpora == number)
            blocks[rows] = sampler.blocks(old_before[rows])
        return blocks
