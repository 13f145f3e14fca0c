"""A mix counts as one text, and each of its sources as its share of it."""

from fractions import Fraction

from models.runs.datasets import Dataset, with_dataset
from models.runs.text_shares import replay_weights, text_shares

BOOK = Dataset(name="book", content_hash="book")
GSM = Dataset(name="gsm", content_hash="gsm", mix="first", asked_share=0.6)
CODE = Dataset(name="code", content_hash="code", mix="first", asked_share=0.3)
META = Dataset(name="meta", content_hash="meta", mix="first", asked_share=0.1)
PLAYS = Dataset(name="plays", content_hash="plays", mix="second", asked_share=0.5)


def test_the_sources_of_each_mix_are_one_text_together() -> None:
    shares = text_shares([BOOK, GSM, CODE, META, PLAYS])
    assert shares == {
        "book": 1, "gsm": Fraction(6, 10), "code": Fraction(3, 10), "meta": Fraction(1, 10), "plays": 1
    }  # fmt: skip
    assert sum(shares.values()) == 3
    assert text_shares([GSM, CODE]) == {"gsm": Fraction(2, 3), "code": Fraction(1, 3)}


def test_texts_are_replayed_by_their_tokens_and_sources_by_their_shares() -> None:
    weights = replay_weights([BOOK, GSM, CODE, META], {"book": 500, "gsm": 100, "code": 800, "meta": 100})
    assert weights == {"book": 500, "gsm": 600, "code": 300, "meta": 100}
    lost = replay_weights([BOOK, GSM, CODE, META], {"book": 500, "gsm": 100, "meta": 600})
    assert lost == {"book": 500, "gsm": 600, "meta": 100}


def test_a_source_that_is_learned_alone_leaves_its_mix() -> None:
    known = with_dataset([GSM, CODE], Dataset(name="code", content_hash="code", characters=5))
    assert [(one.mix, one.asked_share) for one in known] == [("first", 0.6), (None, None)]
    assert text_shares(known) == {"gsm": 1, "code": 1}


def test_runs_of_earlier_versions_learned_one_mix_and_do_not_name_it() -> None:
    unnamed = [
        Dataset(name=name, content_hash=name, asked_share=share) for name, share in (("a", 0.8), ("b", 0.2))
    ]
    assert text_shares([BOOK, *unnamed, PLAYS]) == {
        "book": 1, "a": Fraction(8, 10), "b": Fraction(2, 10), "plays": 1
    }  # fmt: skip
