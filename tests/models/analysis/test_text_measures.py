"""Copied passages, repetition and the counted model, on texts whose answer is known."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.analysis.memorisation import SPAN, TrainingSpans, memorisation
from models.analysis.ngram_model import NgramModel
from models.analysis.repetition import repetition
from models.analysis.words import tokens_of, word_pieces, words_of


def noise(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("abcdefgh ", k=length))


def test_copied_passages_are_found_whole() -> None:
    training = noise(20_000, 1)
    passage, short = training[5000:5200].strip(), training[9000 : 9000 + SPAN - 1].strip()
    text = noise(1000, 2) + passage + noise(1000, 3) + short + noise(500, 4)
    found = memorisation(text, training, noise(5000, 5))
    assert len(found.longest) == 1 and " ".join(passage.split()) in found.longest[0]
    assert 0.03 < found.copied_share < 0.08 and found.heldout_share == 0.0 and not found.memorises
    assert memorisation(training[:3000], training, noise(5000, 5)).memorises


def test_a_text_that_shares_as_much_as_held_out_text_is_not_copied() -> None:
    training = "The owl counted the mice by the old mill, and the mice counted the owl. " * 50
    found = memorisation(training[:2000], training, training[:1000])
    assert found.copied_share == found.heldout_share == 1.0 and not found.memorises


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_span_is_found_exactly_where_it_stands(training: str, text: str) -> None:
    plain = " ".join(("." + training + ".").split())
    other = " ".join(("." + text + ".").split())
    starts = range(len(other) - SPAN + 1)
    expected = [other[start : start + SPAN] in plain for start in starts]
    share = TrainingSpans(plain).share(other)
    assert share == pytest.approx(np.mean(expected) if expected else 0.0)


def test_repetition_finds_loops_and_the_longest_repeat() -> None:
    plain = noise(3000, 6)
    looping = repetition(plain + "and then he said " * 50)
    assert looping.looping_share == pytest.approx(850 / 3850, abs=0.05)
    assert looping.compression < repetition(plain).compression
    repeated = repetition(noise(1000, 7) + "the same long passage stands here" + noise(1000, 8) +
                          "the same long passage stands here" + noise(100, 9))  # fmt: skip
    assert "the same long passage stands here" in repeated.longest_repeat
    assert repetition("").longest_repeat == "" and repetition("").distinct == (0.0, 0.0, 0.0)
    assert repetition("one two three").distinct == (1.0, 1.0, 1.0)
    assert repetition("go go go go").distinct == (0.25, 1 / 3, 0.5)


@given(st.lists(st.integers(0, 4), min_size=3, max_size=60), st.integers(1, 3))
def test_the_probabilities_after_any_context_sum_to_one(learned: list[int], order: int) -> None:
    model = NgramModel(np.array(learned), 5, order)
    context = learned[: order - 1]
    total = sum(2.0 ** -model.bits(np.array([*context, symbol]))[-1] for symbol in range(6))
    assert total == pytest.approx(1.0)


def test_what_followed_is_likelier_than_what_did_not() -> None:
    model = NgramModel(np.array([0, 1, 2] * 30), 3, 3)
    assert model.bits(np.array([0, 1, 2]))[-1] < 0.2 < 3 < model.bits(np.array([0, 1, 0]))[-1]
    assert len(model.bits(np.array([], dtype=np.int64))) == 0


def test_words_of_any_script() -> None:
    assert words_of("Don't stop, it’s 3 o'clock!") == ["don't", "stop", "it’s", "3", "o'clock"]
    assert tokens_of("«Да», — сказал он.") == ["«", "да", "»", ",", "—", "сказал", "он", "."]
    assert words_of("हिन्दी भाषा") == ["हिन्दी", "भाषा"], "marks on letters belong to the word"
    assert words_of("花鳥、風月 abc") == ["花", "鳥", "風", "月", "abc"]
    assert list(word_pieces(words_of("花鳥風 abc"))) == ["花鳥", "鳥風", "abc"]
    assert words_of("İstanbul DIŞ") == ["İ".lower() + "stanbul", "diş"]
