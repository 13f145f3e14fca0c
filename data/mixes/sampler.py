"""Which source each training sequence comes from, as a function of its position alone."""

import hashlib
from collections.abc import Sequence
from math import gcd

import numpy as np

from data.loader import BlockSampler
from data.loss_marks import unmarked
from data.tokenizer import Tokenizer


class MixSchedule:
    """An endless order of sources, each in its share and evenly spread.

    The order repeats after a period in which source k comes `parts[k]` times, divided by what all have in
    common. Its j-th time (from 0) is at (j + 1/2) / parts[k] of the period, and the times of all sources in
    order are the order of the sources. So after n sequences source k has come n times its share, to within
    its share times the number of sources, and one.
    """

    def __init__(self, parts: Sequence[int]) -> None:
        """`parts` of each source, all above 0. Raises ValueError for others."""
        if not parts or min(parts) < 1:
            raise ValueError(f"the parts of a mix are {list(parts)}")
        counts = np.array(parts, dtype=np.int64) // gcd(*parts)
        self.counts = counts
        self.period = int(counts.sum())
        sources = np.repeat(np.arange(len(counts)), counts)
        numbers = np.concatenate([np.arange(count) for count in counts])
        times = (2 * numbers + 1) / (2 * counts[sources])
        order = np.lexsort((sources, times))
        self._source = sources[order]  # (period,)
        self._number = numbers[order]  # (period,) how often that source came before in the period

    def draw(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of sequences number `places` (B,), the source, and how many of it come before: both (B,) int64."""
        periods, slots = np.divmod(places.astype(np.int64), self.period)
        sources = self._source[slots]
        return sources, periods * self.counts[sources] + self._number[slots]

    def drawn(self, position: int) -> list[int]:
        """Of each source, how many of the first `position` sequences come from it."""
        periods, slots = divmod(position, self.period)
        rest = np.bincount(self._source[:slots], minlength=len(self.counts))
        return [periods * int(count) + int(more) for count, more in zip(self.counts, rest, strict=True)]


class MixSampler:
    """BlockSampler's surface over the sources of a mix.

    Each source is an endless sequence of its own, which starts over in another order once all of it was read.
    All sequences have the same number of tokens, so shares of sequences are shares of tokens.
    """

    def __init__(self, samplers: Sequence[BlockSampler], parts: Sequence[int]) -> None:
        """The samplers of the sources, and the parts of each. Raises ValueError for unequal contexts."""
        if len({sampler.context_length for sampler in samplers}) != 1:
            raise ValueError("the sources of a mix are cut to different context lengths")
        self.samplers = tuple(samplers)
        self.schedule = MixSchedule(parts)
        self.context_length = samplers[0].context_length
        self.blocks_per_epoch = sum(sampler.blocks_per_epoch for sampler in samplers)
        """As many sequences as all sources have together."""

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, T + 1) int64: the sequences number `position` to `position` + B - 1 of all ever drawn."""
        return self.blocks(np.arange(position, position + batch_size))

    def blocks(self, indices: np.ndarray) -> np.ndarray:
        """(B, T + 1) int64: the sequences of these numbers, (B,) integers from 0 up in any order."""
        sources, numbers = self.schedule.draw(indices)
        blocks = np.empty((len(indices), self.context_length + 1), dtype=np.int64)
        for number, sampler in enumerate(self.samplers):
            rows = sources == number
            if rows.any():
                blocks[rows] = sampler.blocks(numbers[rows])
        return blocks

    def started_over(self, before: int, after: int) -> list[int]:
        """The sources that are drawn from a second time for the first time by the sequences number `before`
        to `after` - 1."""
        drawn = zip(self.samplers, self.schedule.drawn(before), self.schedule.drawn(after), strict=True)
        return [
            number
            for number, (sampler, first, last) in enumerate(drawn)
            if first <= sampler.blocks_per_epoch < last  # the next one is its first again
        ]


def source_sampler(
    tokens: np.ndarray, context_length: int, seed: int, content_hash: str, *, within_documents: bool = False
) -> BlockSampler:
    """The sequences of one source, in an order of its own. `tokens` (N,), N > 0, that do not fill a sequence
    are repeated until they do; with `within_documents`, an eos ends each time where none is there."""
    if len(tokens) <= context_length:
        once = np.asarray(tokens)
        if within_documents and unmarked(once[-1:]) != Tokenizer.eos_id:
            once = np.append(once, once.dtype.type(Tokenizer.eos_id))
        tokens = np.tile(once, context_length // len(once) + 1)
    key = hashlib.sha256(f"{seed}:{content_hash}".encode()).digest()[:8]
    return BlockSampler(tokens, context_length, int.from_bytes(key, "little"))
