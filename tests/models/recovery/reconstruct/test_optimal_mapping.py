"""The best mappings, compared with all possible ones."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recovery.reconstruct.bigram_search import search_by_bigrams
from models.recovery.reconstruct.optimal_mapping import best_mapping, best_sorted_mapping, exchange_margins

Mapping = tuple[int, ...]


def total_gains(gain: np.ndarray, *, in_order: bool) -> dict[Mapping, float]:
    """The total gain of every mapping."""
    totals = {}
    for mapping in itertools.product(range(-1, gain.shape[1]), repeat=len(gain)):
        used = [token for token in mapping if token >= 0]
        if len(set(used)) == len(used) and (not in_order or used == sorted(used)):
            totals[mapping] = sum(gain[c, token] for c, token in enumerate(mapping) if token >= 0)
    return totals


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_it_is_the_best_of_all_mappings(seed: int, characters: int, tokens: int, in_order: bool) -> None:
    gain = np.random.default_rng(seed).normal(size=(characters, tokens))
    totals = total_gains(gain, in_order=in_order)
    best = max(totals, key=totals.__getitem__)
    found = best_sorted_mapping(gain) if in_order else best_mapping(gain)
    assert tuple(found.mapping) == best
    for c in range(characters):
        other = max(value for mapping, value in totals.items() if mapping[c] != best[c])
        if in_order:
            assert found.margins[c] == pytest.approx(totals[best] - other)
        else:  # only single exchanges count, so never less
            assert found.margins[c] >= totals[best] - other - 1e-9


def test_a_margin_is_negative_where_an_exchange_gains() -> None:
    gain = np.array([[5.0, 1.0], [1.0, 5.0]])
    assert (exchange_margins(gain, np.array([1, 0])) == -8).all()
    assert (exchange_margins(gain, np.array([0, 1])) == 5).all()  # having no token is the next best


def test_bigrams_give_the_mapping_in_any_order() -> None:
    draw = np.random.default_rng(0)
    pairs = draw.dirichlet(np.full(12, 0.3), size=12) * draw.dirichlet(np.full(12, 2.0))[:, None]
    order = draw.permutation(12)
    *_, (number, mapping) = search_by_bigrams(pairs, pairs[order][:, order], seed=0, perturbations=30)
    assert number == 30 and (order[mapping] == np.arange(12)).all()


def test_text_and_model_may_differ_in_size() -> None:
    pairs = np.full((5, 5), 1 / 25)
    for size in (3, 5, 8):
        *_, (_, mapping) = search_by_bigrams(
            pairs, np.full((size, size), 1 / size**2), seed=0, perturbations=2
        )
        used = mapping[mapping >= 0]
        assert len(mapping) == 5 and len(set(used)) == len(used) == min(5, size)
