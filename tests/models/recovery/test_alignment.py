"""The best mappings, against trying all of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recovery.alignment import align, assign, margins_of
from models.recovery.pair_search import search_pairs

Mapping = tuple[int, ...]


def every_mapping(gain: np.ndarray, *, in_order: bool) -> dict[Mapping, float]:
    found = {}
    for mapping in itertools.product(range(-1, gain.shape[1]), repeat=len(gain)):
        used = [token for token in mapping if token >= 0]
        if len(set(used)) == len(used) and (not in_order or used == sorted(used)):
            found[mapping] = sum(gain[c, token] for c, token in enumerate(mapping) if token >= 0)
    return found


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_the_best_of_all(seed: int, characters: int, tokens: int, in_order: bool) -> None:
    gain = np.random.default_rng(seed).normal(size=(characters, tokens))
    worth = every_mapping(gain, in_order=in_order)
    best = max(worth, key=worth.__getitem__)
    found = align(gain) if in_order else assign(gain)
    assert tuple(found.mapping) == best
    for c in range(characters):
        other = max(value for mapping, value in worth.items() if mapping[c] != best[c])
        if in_order:
            assert found.margins[c] == pytest.approx(worth[best] - other)
        else:  # of single exchanges only, so never less
            assert found.margins[c] >= worth[best] - other - 1e-9


def test_a_better_exchange_is_a_margin_below_nothing() -> None:
    gain = np.array([[5.0, 1.0], [1.0, 5.0]])
    assert (margins_of(gain, np.array([1, 0])) == -8).all()
    assert (margins_of(gain, np.array([0, 1])) == 5).all()  # doing without is the next best


def test_pairs_are_found_in_any_order() -> None:
    draw = np.random.default_rng(0)
    pairs = draw.dirichlet(np.full(12, 0.3), size=12) * draw.dirichlet(np.full(12, 2.0))[:, None]
    order = draw.permutation(12)
    *_, (number, mapping) = search_pairs(pairs, pairs[order][:, order], seed=0, shakes=30)
    assert number == 30 and (order[mapping] == np.arange(12)).all()


def test_a_text_with_more_or_fewer_characters_than_the_model() -> None:
    pairs = np.full((5, 5), 1 / 25)
    for size in (3, 5, 8):
        *_, (_, mapping) = search_pairs(pairs, np.full((size, size), 1 / size**2), seed=0, shakes=2)
        used = mapping[mapping >= 0]
        assert len(mapping) == 5 and len(set(used)) == len(used) == min(5, size)
