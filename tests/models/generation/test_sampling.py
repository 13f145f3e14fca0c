"""Properties of each filter, for any logits."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RlmError
from models.generation import sampling

FLOATS = st.floats(-20, 20, width=32)
ROWS = st.lists(FLOATS, min_size=1, max_size=12).map(lambda values: np.array(values, dtype=np.float32))
PENALTIES = st.floats(1.01, 5)


def remaining_tokens(logits: np.ndarray) -> set[int]:
    return {i for i, value in enumerate(logits.tolist()) if value > float("-inf")}


@given(ROWS, st.integers(0, 15))
def test_top_k_keeps_the_k_most_likely(logits: np.ndarray, k: int) -> None:
    inside = remaining_tokens(sampling.top_k(logits, k))
    assert len(inside) >= min(k or len(logits), len(logits))
    outside = set(range(len(logits))) - inside
    assert all(logits[o] < logits[i] for o in outside for i in inside)


@given(ROWS, st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_that_hold_p(logits: np.ndarray, p: float) -> None:
    inside = remaining_tokens(sampling.top_p(logits, p))
    probabilities = sampling.softmax(logits)
    assert int(logits.argmax()) in inside or float(probabilities.max()) in probabilities[list(inside)]
    mass = float(sum(probabilities[i] for i in inside))
    assert mass >= p - 1e-5
    if p < 1 and len(inside) > 1:
        assert mass - float(min(probabilities[i] for i in inside)) < p + 1e-5


@given(ROWS, st.floats(0, 1))
def test_min_p_is_relative_to_the_most_likely(logits: np.ndarray, share: float) -> None:
    inside = remaining_tokens(sampling.min_p(logits, share))
    probabilities = sampling.softmax(logits)
    assert int(logits.argmax()) in inside
    for i in range(len(logits)):
        assert (i in inside) == bool(share <= 0 or probabilities[i] >= share * probabilities.max())


@given(ROWS, PENALTIES, st.data())
def test_a_penalty_never_makes_a_seen_token_more_likely(logits, penalty, data) -> None:
    history = data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=20))
    after = sampling.repetition_penalty(logits, history, penalty)
    for i in range(len(logits)):
        if i in history:
            assert after[i] <= logits[i]  # whatever its sign, and however often it was seen
            assert after[i] == sampling.repetition_penalty(logits, [i], penalty)[i]
        else:
            assert after[i] == logits[i]


@given(ROWS, st.data())
def test_excluded_tokens_are_gone_unless_all_would_be(logits, data) -> None:
    tokens = data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=20))
    after = sampling.exclude(logits, tokens)
    left = remaining_tokens(logits) - set(tokens)
    assert remaining_tokens(after) == (left or remaining_tokens(logits))


@given(ROWS, st.floats(1e-3, 10))
def test_temperature_keeps_the_order(logits: np.ndarray, value: float) -> None:
    after = sampling.temperature(logits, value)
    assert np.isfinite(after).all()
    assert int(after.argmax()) == int(logits.argmax())


def test_draws_follow_the_probabilities() -> None:
    probabilities, numbers = np.array([0.0, 0.25, 0.75, 0.0], dtype=np.float32), random.Random(1)
    draws = [sampling.draw(probabilities, numbers.random()) for _ in range(4000)]
    assert set(draws) == {1, 2}
    assert np.mean([token == 2 for token in draws]) == pytest.approx(0.75, abs=0.03)
    assert [sampling.draw(probabilities, number) for number in (0.0, 0.2499, 0.2501, 1.0)] == [1, 1, 2, 2]


@given(ROWS, st.integers(0, 15))
def test_the_most_likely_come_in_order(logits: np.ndarray, count: int) -> None:
    probabilities = sampling.softmax(logits)
    found = sampling.most_likely(probabilities, count)
    assert [p for _, p in found] == sorted(probabilities.tolist(), reverse=True)[:count]
    assert all(probabilities[token] == p for token, p in found)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_output_not_finite_raises_an_error(bad: float) -> None:
    with pytest.raises(RlmError, match="not a number"):
        sampling.softmax(np.array([bad, 1.0], dtype=np.float32))
