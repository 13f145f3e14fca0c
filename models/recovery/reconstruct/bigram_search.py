"""A first mapping from bigrams alone, whatever order the ids have.

It compares how often each character follows each in the reference text with how likely each token
follows each in the model. The search looks for the permutation under which the text's bigrams are
likeliest: it makes the best swap until none helps, then perturbs the best mapping and climbs again
(iterated local search).
"""

from collections.abc import Iterator

import numpy as np

_FLOOR = 1e-7  # the probability of a bigram that neither the model nor the text has


def search_by_bigrams(
    reference: np.ndarray, model: np.ndarray, seed: int, perturbations: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The number of perturbations made, and the best mapping (C,) so far, after each of them.

    `reference` (C, C) and `model` (n, n) are joint frequencies of neighbours; each sums to 1.
    """
    characters, tokens = len(reference), len(model)
    size = max(characters, tokens)
    pairs = np.zeros((size, size))
    pairs[:characters, :characters] = reference
    likelihoods = np.full((size, size), np.log(_FLOOR))
    likelihoods[:tokens, :tokens] = np.log(model + _FLOOR)
    draw = np.random.default_rng(seed)
    order = np.argsort(-pairs.sum(axis=1), kind="stable")
    unigram = np.zeros(size)
    unigram[:tokens] = model.sum(axis=1)
    places = np.empty(size, dtype=np.int64)
    places[order] = np.argsort(-unigram, kind="stable")  # the most frequent with the most frequent
    best, best_score = _climb(pairs, likelihoods, places)
    frequent = order[: max(4, min(characters, tokens) // 2)]
    for number in range(perturbations):
        yield number, _as_mapping(best, characters, tokens)
        perturbed = best.copy()
        chosen = draw.choice(frequent, size=min(len(frequent), int(draw.integers(3, 9))), replace=False)
        perturbed[chosen] = perturbed[np.roll(chosen, 1)]
        found, score = _climb(pairs, likelihoods, perturbed)
        if score > best_score:
            best, best_score = found, score
    yield perturbations, _as_mapping(best, characters, tokens)


def _climb(pairs: np.ndarray, likelihoods: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, float]:
    """Make the best swap again and again until none raises the score."""
    places = places.copy()
    while True:
        placed = likelihoods[places][:, places]
        rise = _swap_rises(pairs, placed)
        first, second = np.unravel_index(int(rise.argmax()), rise.shape)
        if rise[first, second] <= 1e-9:
            return places, float((pairs * placed).sum())
        places[[first, second]] = places[[second, first]]


def _swap_rises(pairs: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """(K, K): the rise of sum(pairs * placed) when two places are swapped in `placed`."""

    def one_side(r: np.ndarray, a: np.ndarray) -> np.ndarray:
        # -sum over d of (r[x, d] - r[y, d]) (a[x, d] - a[y, d]), without d = x and d = y.
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
