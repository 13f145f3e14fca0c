"""Several token arrays mixed in given shares, such as a new text or mix and earlier ones that are replayed.

Like the samplers it draws on, a mixture is a pure function of the position: a run that stops and goes on
sees the same batches.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Protocol

import numpy as np

from data.loader import BlockSampler

_PARTS = 10_000
_GOLDEN_RATIO = (5**0.5 - 1) / 2


class Blocks(Protocol):
    """An endless sequence of blocks, each found by its number: a BlockSampler, or a MixSampler."""

    @property
    def context_length(self) -> int: ...

    @property
    def blocks_per_epoch(self) -> int: ...

    def blocks(self, indices: np.ndarray) -> np.ndarray: ...


class MixedSampler:
    """BlockSampler's surface over several sources, each with a share of the sequences.

    With r the share of all sources but the first, to four decimals, sequence p is one of theirs where
    floor((p + 1) r) > floor(p r): these are evenly spread, and known without counting. Which of the other
    sources such a sequence comes from follows multiples of the golden ratio, which fill [0, 1) evenly
    however many there are (Weyl, 1916).
    """

    def __init__(self, sources: Sequence[tuple[Blocks, float | Fraction]]) -> None:
        """`sources` are samplers and their shares, which add to 1; the first has at least 0.0001.

        Raises ValueError for other shares and for unequal context lengths.
        """
        self._samplers = [sampler for sampler, _ in sources]
        shares = [Fraction(share) for _, share in sources]
        others = sum(shares[1:], Fraction(0))
        self._parts = round(others * _PARTS)  # of 10,000 sequences, those that are not of the first source
        if not shares or min(shares) < 0 or abs(float(sum(shares)) - 1) > 1e-6 or self._parts >= _PARTS:
            raise ValueError(f"the shares of a mixture are {[float(share) for share in shares]}")
        if len({sampler.context_length for sampler in self._samplers}) > 1:
            raise ValueError("the sources of a mixture are cut to different context lengths")
        self.context_length = self._samplers[0].context_length
        ends = accumulate(share / others for share in shares[1:]) if others else ()
        self._ends = np.array([float(end) for end in ends])  # of each other source's part of [0, 1)
        self.blocks_per_epoch = (self._samplers[0].blocks_per_epoch - 1) * _PARTS // (
            _PARTS - self._parts
        ) + 1
        """Of the mixture: the sequences in which the first source is read once."""

    def batch(self, position: int, batch_size: int) -> np.ndarray:
        """(B, T + 1) int64: the sequences number position to position + B - 1 of all ever drawn."""
        first, *others = self._samplers
        places = np.arange(position, position + batch_size, dtype=np.int64)
        others_before = places * self._parts // _PARTS  # (B,) the sequences of other sources before each
        is_other = (places + 1) * self._parts // _PARTS > others_before
        blocks = np.empty((batch_size, self.context_length + 1), dtype=np.int64)
        blocks[~is_other] = first.blocks((places - others_before)[~is_other])
        source = np.searchsorted(self._ends, others_before * _GOLDEN_RATIO % 1.0, side="right")  # (B,)
        source = np.minimum(source, len(others) - 1)  # the last end may be rounded below 1
        for number, sampler in enumerate(others):
            rows = is_other & (source == number)
            blocks[rows] = sampler.blocks(others_before[rows])
        return blocks

    def of_first(self, position: int) -> int:
        """Of the first `position` sequences, how many come from the first source."""
        return first_drawn(position, self._parts / _PARTS)


def first_drawn(position: int, replayed: float) -> int:
    """Of the first `position` sequences, how many are not replayed where the share `replayed` of all is."""
    return position - position * round(replayed * _PARTS) // _PARTS


def replay_sources(
    new: Blocks, earlier: Sequence[BlockSampler], share: float, weights: Sequence[Fraction] | None = None
) -> list[tuple[Blocks, Fraction]]:
    """Sources of a mixture in which `share` of the sequences, to four decimals, replays earlier texts.

    Each earlier text gets a part in proportion to its weight, which is its length where none are given: then
    all their tokens come equally often. Without an earlier text the new one has all. Raises ValueError for a
    share outside [0, 1).
    """
    parts = round(share * _PARTS)
    if not 0 <= parts < _PARTS:
        raise ValueError(f"a share of {share} is not in [0, 1)")
    replayed = Fraction(parts, _PARTS) if earlier else Fraction(0)
    if weights is None:
        weights = [Fraction(len(sampler.tokens)) for sampler in earlier]
    whole = sum(weights, Fraction(0))
    return [
        (new, 1 - replayed),
        *((sampler, replayed * weight / whole) for sampler, weight in zip(earlier, weights, strict=True)),
    ]
