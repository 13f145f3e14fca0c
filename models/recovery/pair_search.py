"""A first mapping from pairs alone, whatever order the ids have.

How often each character follows each in the reference, against how likely the model makes each
token after each: the permutation under which the reference's pairs are likeliest is looked for by
swaps, always the best one, and from shaken mappings again.
"""

from collections.abc import Iterator

import numpy as np

_LEAST = 1e-7  # of a pair: what neither the model nor the text has


def search_pairs(
    reference: np.ndarray, model: np.ndarray, seed: int, shakes: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The best mapping (C,) so far after each shake, and its number.

    `reference` (C, C) and `model` (n, n) are joint frequencies of neighbours, each adding up to 1.
    """
    characters, tokens = len(reference), len(model)
    size = max(characters, tokens)
    pairs = np.zeros((size, size))
    pairs[:characters, :characters] = reference
    likelihoods = np.full((size, size), np.log(_LEAST))
    likelihoods[:tokens, :tokens] = np.log(model + _LEAST)
    draw = np.random.default_rng(seed)
    order = np.argsort(-pairs.sum(axis=1), kind="stable")
    unigram = np.zeros(size)
    unigram[:tokens] = model.sum(axis=1)
    places = np.empty(size, dtype=np.int64)
    places[order] = np.argsort(-unigram, kind="stable")  # the most frequent with the most frequent
    best, best_score = _climb(pairs, likelihoods, places)
    frequent = order[: max(4, min(characters, tokens) // 2)]
    for shake in range(shakes):
        yield shake, _as_mapping(best, characters, tokens)
        shaken = best.copy()
        chosen = draw.choice(frequent, size=min(len(frequent), int(draw.integers(3, 9))), replace=False)
        shaken[chosen] = shaken[np.roll(chosen, 1)]
        found, score = _climb(pairs, likelihoods, shaken)
        if score > best_score:
            best, best_score = found, score
    yield shakes, _as_mapping(best, characters, tokens)


def _climb(pairs: np.ndarray, likelihoods: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, float]:
    """The best swap again and again until none helps."""
    places = places.copy()
    while True:
        placed = likelihoods[places][:, places]
        rise = _swap_rises(pairs, placed)
        first, second = np.unravel_index(int(rise.argmax()), rise.shape)
        if rise[first, second] <= 1e-9:
            return places, float((pairs * placed).sum())
        places[[first, second]] = places[[second, first]]


def _swap_rises(pairs: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """(K, K): by how much sum(pairs * placed) rises when two places are swapped in `placed`."""

    def one_side(r: np.ndarray, a: np.ndarray) -> np.ndarray:
        # -sum over d of (r[x, d] - r[y, d]) (a[x, d] - a[y, d]), but for d = x and d = y.
        crossed = r @ a.T
        own = np.diag(crossed)
        r_diag, a_diag = np.diag(r), np.diag(a)
        at_x = (r_diag[:, None] - r.T) * (a_diag[:, None] - a.T)
        at_y = (r - r_diag[None]) * (a - a_diag[None])
        return crossed + crossed.T - own[:, None] - own[None] + at_x + at_y

    r_diag, a_diag = np.diag(pairs), np.diag(placed)
    corners = (r_diag[:, None] - r_diag[None]) * (a_diag[:, None] - a_diag[None])
    corners = corners + (pairs - pairs.T) * (placed - placed.T)
    return one_side(pairs, placed) + one_side(pairs.T, placed.T) - corners


def _as_mapping(places: np.ndarray, characters: int, tokens: int) -> np.ndarray:
    found = places[:characters]
    return np.where(found < tokens, found, -1)
