"""Compiled code draws the tokens that NumPy draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.generation import sampling
from models.kernels.draw import Drawer, compiled_draw

DRAW = compiled_draw()
pytestmark = pytest.mark.skipif(DRAW is None, reason="there is no C compiler")
NOTHING = np.array([], np.int64)
SEEDS = st.integers(0, 10_000)
LEVELS = st.sampled_from([0.0, 0.3, 1.0, 5.0])


def drawer(forbidden: np.ndarray = NOTHING, **filters: float) -> Drawer:
    assert DRAW is not None
    return Drawer(DRAW, forbidden, **filters)  # type: ignore[arg-type]


def random_logits(seed: int, rows: int, vocabulary: int, level: float) -> np.ndarray:
    """With some ties, and with rows that are parts of longer ones."""
    numbers = np.random.default_rng(seed).normal(size=(rows, vocabulary + 3)) * level
    return numbers.round(1).astype(np.float32)[:, :vocabulary]


@given(
    SEEDS, st.sampled_from([1, 2, 17, 65, 3000]), LEVELS, st.sampled_from([1.0, 0.8, 1e-9, 7.0]),
    st.sampled_from([0, 1, 5, 90]), st.sampled_from([1.0, 0.95, 0.5, 0.01]), st.sampled_from([0.0, 0.05, 1]),
)  # fmt: skip
def test_a_number_falls_on_the_same_token(
    seed: int, vocabulary: int, level: float, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    logits = random_logits(seed, 3, vocabulary, level)
    numbers = np.random.default_rng(seed).random(3)
    filters = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    tokens, probabilities = drawer(temperature=temperature, **filters).draw(logits, numbers.tolist())
    for one, number, token, probability in zip(logits, numbers, tokens, probabilities, strict=True):
        powers = sampling.powers_of(one)
        assert probability == pytest.approx(powers[token] / powers.sum(), rel=1e-4)
        tolerant = [
            sampling.candidates(sampling.powers_of(one, temperature), top_k, top_p * (1 + e), min_p)
            for e in (0, 1e-6, -1e-6)
        ]
        near = [
            sampling.draw(kept, min(1.0, max(0.0, number + e))) for kept in tolerant for e in (0, 1e-5, -1e-5)
        ]
        assert token in near  # a number at the border of two tokens may fall on either


@given(SEEDS, st.sampled_from([2, 65, 3000]), LEVELS)
def test_at_temperature_zero_the_first_of_the_most_likely_is_taken(
    seed: int, vocabulary: int, level: float
) -> None:
    logits = random_logits(seed, 4, vocabulary, level)
    tokens, _ = drawer(temperature=0.0).draw(logits, [0.5] * 4)
    assert tokens == logits.argmax(axis=1).tolist()


def test_each_row_is_drawn_as_it_is_alone() -> None:
    logits, numbers = random_logits(3, 16, 65, 2.0), np.random.default_rng(4).random(16).tolist()
    together, probabilities = drawer(temperature=0.8, top_p=0.95).draw(logits, numbers)
    alone = [
        drawer(temperature=0.8, top_p=0.95).draw(one[None], [number])
        for one, number in zip(logits, numbers, strict=True)
    ]
    assert len(set(together)) > 4
    assert [([token], [p]) for token, p in zip(together, probabilities, strict=True)] == alone


def test_forbidden_tokens_are_never_drawn_and_hold_nothing() -> None:
    logits = np.array([[9.0, 1.0, 0.0]], np.float32)
    distribution = np.empty((1, 3), np.float32)
    for temperature in (0.0, 0.8, 1.0):
        some = drawer(np.array([0]), temperature=temperature)
        for number in (0.0, 0.3, 0.999):
            (token,), (probability,) = some.draw(logits, [number], distributions=distribution)
            assert token in (1, 2) and probability == distribution[0, token]
            expected = [0, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))]
            np.testing.assert_allclose(distribution[0], expected, rtol=1e-5)
    with pytest.raises(IndexError):
        drawer(np.array([3])).draw(logits, [0.5])


def test_tokens_come_from_changed_logits_and_their_probability_from_the_others() -> None:
    logits, changed = np.array([[2.0, 0.0]], np.float32), np.array([[-99.0, 0.0]], np.float32)
    for temperature in (0.0, 0.8, 1.0):
        (token,), (probability,) = drawer(temperature=temperature).draw(logits, [0.1], changed)
        assert token == 1 and probability == pytest.approx(1 / (1 + np.exp(2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.0])
def test_only_the_row_that_is_not_finite_gets_no_token(bad: float, temperature: float) -> None:
    logits = random_logits(1, 3, 40, 1.0)
    logits[1, 7] = bad
    tokens, _ = drawer(temperature=temperature).draw(logits, [0.5] * 3)
    assert tokens[1] == -1 and min(tokens[0], tokens[2]) >= 0
    assert drawer().draw(np.full((1, 4), -np.inf, np.float32), [0.5])[0] == [-1]
