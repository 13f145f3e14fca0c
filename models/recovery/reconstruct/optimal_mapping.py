"""The best mapping from characters to tokens, given what each pair gains: sorted, or in any order.

Gains are (C, n): nats gained when character c is text token i. A character without a token gains 0.
A mapping is (C,): the token of each character, or -1 for none.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ScoredMapping:
    """A mapping (C,), and its margins (C,): the nats that are lost when a character is mapped otherwise."""

    mapping: np.ndarray
    margins: np.ndarray


def best_sorted_mapping(gain: np.ndarray) -> ScoredMapping:
    """The best mapping in which tokens increase with characters, by dynamic programming."""
    before, after = _prefixes(gain), _prefixes(gain[::-1, ::-1])[::-1, ::-1]
    # Where c maps to i: the best of everything below the pair, the pair, the best of everything above.
    through = before[:-1, :-1] + gain + after[1:, 1:]  # (C, n)
    without = (before[:-1] + after[1:]).max(axis=1)  # (C,)
    mapping = _path(gain, before)
    rows = np.arange(len(gain))
    mapped = mapping >= 0
    others = through.copy()
    others[rows[mapped], mapping[mapped]] = -np.inf
    other = np.where(mapped, np.maximum(others.max(axis=1), without), others.max(axis=1))
    return ScoredMapping(mapping, before[-1, -1] - other)


def best_mapping(gain: np.ndarray) -> ScoredMapping:
    """The best mapping in any order. Its margins are those of `exchange_margins`."""
    rows, columns = gain.shape
    # Each character has one more column, of its own, which means no token.
    mapping = _assignment(-np.concatenate((gain, np.zeros((rows, rows))), axis=1))
    mapping = np.where(mapping < columns, mapping, -1)
    return ScoredMapping(mapping, exchange_margins(gain, mapping))


def exchange_margins(gain: np.ndarray, mapping: np.ndarray) -> np.ndarray:
    """(C,): the nats that the best exchange of one character loses; below 0 where it gains.

    In an exchange a character takes another token, or none. The character that had that token takes the
    free one, or none where that is better.
    """
    rows, columns = gain.shape
    mapped = np.flatnonzero(mapping >= 0)
    own = np.zeros(rows)
    own[mapped] = gain[mapped, mapping[mapped]]
    owner = np.full(columns, -1)
    owner[mapping[mapped]] = mapped
    taken = np.where(mapping[:, None] >= 0, gain[owner][:, mapping].T, 0.0)  # (C, n): by each token's owner
    lost = np.where(owner >= 0, own[owner], 0.0)
    change = gain - own[:, None] + np.where(owner[None] >= 0, np.maximum(taken, 0.0) - lost[None], 0.0)
    change[mapped, mapping[mapped]] = -np.inf
    return -np.where(mapping >= 0, np.maximum(change.max(axis=1), -own), change.max(axis=1))


def _prefixes(gain: np.ndarray) -> np.ndarray:
    """(C + 1, n + 1): the most that the first characters gain with the first tokens."""
    best = np.zeros((gain.shape[0] + 1, gain.shape[1] + 1))
    for c, row in enumerate(gain):
        best[c + 1, 1:] = np.maximum(best[c, 1:], best[c, :-1] + row)
        best[c + 1] = np.maximum.accumulate(best[c + 1])
    return best


def _path(gain: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The mapping that reaches the last entry of `best`, traced backwards."""
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


def _assignment(cost: np.ndarray) -> np.ndarray:
    """(R,): the column of each row, no column twice, at the least total cost.

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
        visited = done & (owner >= 0)
        row_price[owner[visited]] += length - distance[visited]
        row_price[new] += length
        column_price[done] -= length - distance[done]
        while column >= 0:
            previous = int(reached_from[column])
            owner[column] = owner[previous] if previous >= 0 else new
            column = previous
    mapping = np.full(rows, -1)
    mapping[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return mapping
