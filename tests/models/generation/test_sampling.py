"""Properties of each filter, for any logits."""

import random
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.character_tokenizer import CharacterTokenizer
from data.errors import RlmError
from models.generation import sampling
from models.generation.row import Choice, Row
from models.generation.sampler import Sampler
from models.generation.settings import GenerationConfig
from models.kernels.draw import compiled_draw

FLOATS = st.floats(-20, 20, width=32)
ROWS = st.lists(FLOATS, min_size=1, max_size=12).map(lambda values: np.array(values, dtype=np.float32))
PENALTIES = st.floats(1.01, 5)


def remaining_tokens(logits: np.ndarray) -> set[int]:
    return {i for i, value in enumerate(logits.tolist()) if value > float("-inf")}


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    powers = sampling.powers_of(logits)
    return powers / powers.sum()


def kept(logits: np.ndarray, **filters: float) -> set[int]:
    found = sampling.candidates(sampling.powers_of(logits), **filters)
    shares = np.diff(found.cumulative, prepend=0) / found.cumulative[-1]
    probabilities = probabilities_of(logits)[found.ids]
    np.testing.assert_allclose(shares, probabilities / probabilities.sum(), rtol=1e-4, atol=1e-6)
    assert len(set(found.ids.tolist())) == len(found.ids) > 0
    return set(found.ids.tolist())


@pytest.fixture(params=[2048, 0], ids=["ordered", "candidates"], autouse=True)
def _both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    with mock.patch.object(sampling, "_MANY", request.param):
        yield


@given(ROWS, st.integers(0, 15))
def test_top_k_keeps_the_k_most_likely(logits: np.ndarray, k: int) -> None:
    inside = kept(logits, top_k=k)
    assert len(inside) >= min(k or len(logits), len(logits))
    outside, powers = set(range(len(logits))) - inside, np.exp(logits - logits.max())
    assert all(powers[o] < powers[i] for o in outside for i in inside)


@given(ROWS, st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_that_hold_p(logits: np.ndarray, p: float) -> None:
    inside = kept(logits, top_p=p)
    probabilities = probabilities_of(logits)
    assert int(logits.argmax()) in inside or float(probabilities.max()) in probabilities[list(inside)]
    mass = float(sum(probabilities[i] for i in inside))
    assert mass >= p - 1e-5
    if p < 1 and len(inside) > 1:
        assert mass - float(min(probabilities[i] for i in inside)) < p + 1e-5


@pytest.mark.parametrize("filters", [{}, {"min_p": 0.02}, {"top_k": 5000}])
def test_the_tail_of_a_large_vocabulary_counts_for_top_p(filters: dict[str, float]) -> None:
    powers = np.full(4000, 1e-3, dtype=np.float32)  # the tail holds 9%, and each of it less than is looked at
    powers[:100] = np.linspace(1, 0.01, 100) * 0.8
    powers[0] = 1
    shares = np.sort(powers.astype(np.float64))[::-1] / powers.sum(dtype=np.float64)
    expected = 1 + int(np.count_nonzero(shares.cumsum() < 0.9))
    assert len(sampling.candidates(powers, top_p=0.9, **filters).ids) == expected


def test_equal_tokens_keep_their_order() -> None:
    powers = np.array([0.5, 0.5, 1.0, 1.0, 0.5], dtype=np.float32)
    assert sampling.candidates(powers).ids.tolist() == [2, 3, 0, 1, 4]


@given(ROWS, st.floats(0, 1))
def test_min_p_is_relative_to_the_most_likely(logits: np.ndarray, share: float) -> None:
    inside, powers = kept(logits, min_p=share), np.exp(logits - logits.max())
    assert inside == {i for i in range(len(logits)) if powers[i] >= np.float32(share)}


@given(ROWS, st.integers(0, 15), st.floats(0.01, 1), st.floats(0, 1))
def test_filters_are_applied_one_after_another(logits: np.ndarray, k: int, p: float, share: float) -> None:
    of_k = kept(logits, top_k=k)
    filtered = np.where([i in of_k for i in range(len(logits))], logits, np.float32(-np.inf))
    of_p = kept(filtered, top_p=p)
    powers = np.exp(logits - logits.max())
    expected = {i for i in of_p & of_k if powers[i] >= np.float32(share)}
    found = kept(logits, top_k=k, top_p=p, min_p=share)
    assert found == expected or len(found ^ expected) <= 1  # the sums of p are rounded in another order


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
    after = sampling.powers_of(logits, value)
    assert np.isfinite(after).all() and after.max() == 1
    assert after[logits.argmax()] == 1  # others that are nearly as likely may be rounded to 1 too


def test_draws_follow_the_probabilities() -> None:
    logits, numbers = np.log(np.array([1e-30, 0.25, 0.75], dtype=np.float32)), random.Random(1)
    logits[0] = -np.inf
    tokens = sampling.candidates(sampling.powers_of(logits))
    draws = [sampling.draw(tokens, numbers.random()) for _ in range(4000)]
    assert set(draws) == {1, 2}
    assert np.mean([token == 2 for token in draws]) == pytest.approx(0.75, abs=0.03)
    assert [sampling.draw(tokens, number) for number in (0.0, 0.7499, 0.7501, 1.0)] == [2, 2, 1, 1]


@given(ROWS, st.integers(0, 15))
def test_the_most_likely_come_in_order(logits: np.ndarray, count: int) -> None:
    probabilities = probabilities_of(logits)
    found = sampling.most_likely(probabilities, count)
    assert [p for _, p in found] == sorted(probabilities.tolist(), reverse=True)[:count]
    assert all(probabilities[token] == p for token, p in found)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_output_not_finite_raises_an_error(bad: float) -> None:
    with pytest.raises(RlmError, match="not a number"):
        sampling.powers_of(np.array([bad, 1.0], dtype=np.float32))


@pytest.mark.parametrize("penalty", [0.1, 10.0])
@pytest.mark.parametrize("scale", [3e38, -3e38])
@pytest.mark.filterwarnings("error")
def test_huge_output_is_an_error_of_its_row_alone(scale: float, penalty: float) -> None:
    tokenizer = CharacterTokenizer("\n abc")
    config = GenerationConfig(temperature=0.01, repetition_penalty=penalty)
    first = tokenizer.encode("a")[0]
    logits = torch.full((2, tokenizer.vocab_size), -torch.inf)
    logits[0, first], logits[1, first] = scale, 1.0
    rows = [Row(index, [int(first)], 1, tokenizer, config, 24) for index in range(2)]
    bad, good = Sampler(tokenizer, config).choose(logits.numpy(), rows)
    assert isinstance(good, Choice) and good.token == first
    assert isinstance(bad, RlmError) or bad.token == first


@pytest.mark.parametrize(
    "config",
    [
        GenerationConfig(),
        GenerationConfig(temperature=0),
        GenerationConfig(temperature=1, top_k=3, repetition_penalty=3),
        GenerationConfig(temperature=0, repetition_penalty=3, no_repeat_ngram=2),
    ],
)
def test_choices_are_the_same_with_and_without_compiled_code(config: GenerationConfig) -> None:
    tokenizer = CharacterTokenizer("\n abcdefgh")
    text = [int(token) for token in tokenizer.encode("abacabad")]
    logits = torch.randn(40, tokenizer.vocab_size, generator=torch.Generator().manual_seed(2)) * 2
    logits[7, 20] = torch.nan
    found = []
    for compiled in (compiled_draw(), None):
        with mock.patch("models.generation.sampler.compiled_draw", return_value=compiled):
            rows = [Row(i, [*text], i, tokenizer, config, 24, alternatives=i % 3) for i in range(40)]
            found.append(Sampler(tokenizer, config).choose(logits.numpy(), rows))
    for place, (one, other) in enumerate(zip(*found, strict=True)):
        if isinstance(one, RlmError) or isinstance(other, RlmError):
            assert place == 7 and str(one) == str(other)
            continue
        assert one.token == other.token and len(one.likeliest) == place % 3
        assert one.probability == pytest.approx(other.probability, rel=1e-5)
        assert [token for token, _ in one.likeliest] == [token for token, _ in other.likeliest]
