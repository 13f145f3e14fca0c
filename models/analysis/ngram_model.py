"""A model of n symbols in a row, by counting: Witten and Bell's interpolation."""

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.int64]


class NgramModel:
    """How surprising a symbol is after the ones before it.

    P(s | c) = (N(cs) + T(c) P(s | c')) / (N(c) + T(c)), where N counts in the text that was learned,
    T(c) is the number of different symbols seen after the context c, and c' is c without its first
    symbol. The last resort is the uniform distribution over the symbols (Witten and Bell, "The
    zero-frequency problem", 1991; interpolated as in Chen and Goodman, 1999).
    """

    def __init__(self, learned: Symbols, symbols: int, order: int) -> None:
        """Count `learned` (N,), which holds symbols from 0 to `symbols` - 1, up to `order` in a row."""
        if (symbols + 1) ** order >= 2**62:
            raise ValueError(f"{symbols} symbols are too many for {order} in a row")
        self._symbols, self._order = symbols, order
        self._counts = []
        for length in range(1, order + 1):
            grams, counts = np.unique(self._grams(learned, length), return_counts=True)
            contexts, first, followers = np.unique(
                grams // (symbols + 1), return_index=True, return_counts=True
            )
            totals = np.add.reduceat(counts, first) if len(first) else counts[:0]
            self._counts.append((grams, counts, contexts, totals, followers))

    def bits(self, text: Symbols) -> NDArray[np.float64]:
        """Bits of surprise at each symbol of `text` (N,); a symbol that is `symbols` or more is unknown.

        Returns an array (N,). The first symbols have shorter contexts.
        """
        known = np.minimum(text, self._symbols)
        probability = np.full(len(known), 1.0 / (self._symbols + 1))
        for length, (grams, counts, contexts, totals, followers) in enumerate(self._counts, 1):
            if len(known) < length or not len(grams):
                break
            wanted = self._grams(known, length)
            seen = _looked_up(grams, counts, wanted)
            context = wanted // (self._symbols + 1)
            total, different = _looked_up(contexts, totals, context), _looked_up(contexts, followers, context)
            shorter = probability[length - 1 :]
            with np.errstate(invalid="ignore"):
                better = (seen + different * shorter) / (total + different)
            probability[length - 1 :] = np.where(total > 0, better, shorter)
        return -np.log2(probability)

    def _grams(self, text: Symbols, length: int) -> Symbols:
        """One number for each run of `length` symbols, the last symbol lowest (N - length + 1,)."""
        grams = np.zeros(max(0, len(text) - length + 1), dtype=np.int64)
        for place in range(length):
            grams = grams * (self._symbols + 1) + text[place : place + len(grams)]
        return grams


def _looked_up(keys: Symbols, values: NDArray[np.int64], wanted: Symbols) -> NDArray[np.int64]:
    """The value of each wanted key, 0 where there is none."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
