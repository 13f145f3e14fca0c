"""Which character goes with which id, given what each pair is worth: in order, or freely.

Gains are (C, n): what it is worth, in nats, that character c is the text token i. A character can
also stay without a token, which is worth nothing. A mapping is (C,): the token of each, or -1.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Aligned:
    """The best mapping, and by how much, in nats, the best one that treats each character otherwise
    is worse: (C,)."""

    mapping: np.ndarray
    margins: np.ndarray


def align(gain: np.ndarray) -> Aligned:
    """The best mapping in which tokens increase with characters, by dynamic programming."""
    before, after = _prefixes(gain), _prefixes(gain[::-1, ::-1])[::-1, ::-1]
    # With c going to i: the best of what lies below both, the pair, and the best of what lies above.
    through = before[:-1, :-1] + gain + after[1:, 1:]  # (C, n)
    without = (before[:-1] + after[1:]).max(axis=1)  # (C,)
    mapping = _path(gain, before)
    rows = np.arange(len(gain))
    mapped = mapping >= 0
    others = through.copy()
    others[rows[mapped], mapping[mapped]] = -np.inf
    other = np.where(mapped, np.maximum(others.max(axis=1), without), others.max(axis=1))
    return Aligned(mapping, before[-1, -1] - other)


def assign(gain: np.ndarray) -> Aligned:
    """The best mapping of any order. Margins are of swaps with one other token, or of doing without."""
    rows, columns = gain.shape
    # A column of its own for each character that stays without a token.
    mapping = _cheapest(-np.concatenate((gain, np.zeros((rows, rows))), axis=1))
    mapping = np.where(mapping < columns, mapping, -1)
    return Aligned(mapping, margins_of(gain, mapping))


def margins_of(gain: np.ndarray, mapping: np.ndarray) -> np.ndarray:
    """(C,): by how much the best exchange is worse, below 0 where it is better: a character takes
    another token, or none, and the one that had it takes its own or, where that is better, none."""
    rows, columns = gain.shape
    mapped = np.flatnonzero(mapping >= 0)
    own = np.zeros(rows)
    own[mapped] = gain[mapped, mapping[mapped]]
    owner = np.full(columns, -1)
    owner[mapping[mapped]] = mapped
    taken = np.where(mapping[:, None] >= 0, gain[owner][:, mapping].T, 0.0)  # (C, n): by the owner of each
    lost = np.where(owner >= 0, own[owner], 0.0)
    found = gain - own[:, None] + np.where(owner[None] >= 0, np.maximum(taken, 0.0) - lost[None], 0.0)
    found[mapped, mapping[mapped]] = -np.inf
    return -np.where(mapping >= 0, np.maximum(found.max(axis=1), -own), found.max(axis=1))


def _prefixes(gain: np.ndarray) -> np.ndarray:
    """(C + 1, n + 1): the most that the first characters and the first tokens are worth together."""
    best = np.zeros((gain.shape[0] + 1, gain.shape[1] + 1))
    for c, row in enumerate(gain):
        best[c + 1, 1:] = np.maximum(best[c, 1:], best[c, :-1] + row)
        best[c + 1] = np.maximum.accumulate(best[c + 1])
    return best


def _path(gain: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The mapping that gives the last of `best`, found backwards."""
    mapping = np.full(len(gain), -1)
    c, i = gain.shape
    while c and i:
        if best[c, i] == best[c - 1, i]:
            c -= 1
        elif best[c, i] == best[c, i - 1]:
            i -= 1
        else:
            c, i = c - 1, i - 1
            mapping[c] = i
    return mapping


def _cheapest(cost: np.ndarray) -> np.ndarray:
    """The column of each row, every column at most once, at least cost in all: (R,).

    Shortest augmenting paths (Jonker and Volgenant, 1987), one row after another; R <= columns.
    """
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1)
    for new in range(rows):
        distance, reached_from = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, dtype=bool)
        row, column, length = new, -1, 0.0
        while row >= 0:
            through = length + cost[row] - row_price[row] - column_price
            nearer = ~done & (through < distance)
            distance[nearer], reached_from[nearer] = through[nearer], column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            length = float(distance[column])
            done[column] = True
            row = int(owner[column])
        settled = done & (owner >= 0)
        row_price[owner[settled]] += length - distance[settled]
        row_price[new] += length
        column_price[done] -= length - distance[done]
        while column >= 0:
            earlier = int(reached_from[column])
            owner[column] = owner[earlier] if earlier >= 0 else new
            column = earlier
    mapping = np.full(rows, -1)
    mapping[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return mapping
