"""How much is replayed: little of near texts, more of far ones."""

from models.planning.replay_share import (
    DEFAULT_SHARE,
    OF_A_FAR_TEXT,
    OF_ANOTHER_ALPHABET,
    OFTEN,
    chosen_share,
    once_more,
)


def test_a_near_text_gets_the_default() -> None:
    found = chosen_share(1.4, 1.5, 0.0)
    assert found.share == DEFAULT_SHARE and "is like the old" in found.reason


def test_a_far_text_gets_more_by_its_loss_or_its_characters() -> None:
    assert chosen_share(1.4, 5.0, 0.0).share == OF_A_FAR_TEXT
    strange = chosen_share(1.4, 1.5, 0.6)
    assert (
        strange.share == OF_ANOTHER_ALPHABET and strange.reason == "60 % of the new text's characters are new"
    )


def test_in_between_it_rises() -> None:
    shares = [chosen_share(1.4, 1.4 + gap / 10, 0.0).share for gap in range(40)]
    assert shares == sorted(shares) and len(set(shares)) > 5


def test_without_a_loss_it_is_the_default() -> None:
    assert chosen_share(None, 2.0, 0.0).share == DEFAULT_SHARE


def test_a_short_training_repeats_what_is_known_twice() -> None:
    assert chosen_share(1.4, 1.5, 0.0, repeated=0.01).share == DEFAULT_SHARE
    short = chosen_share(1.4, 1.5, 0.0, repeated=0.1)
    assert short.share == 0.2 and "short" in short.reason
    assert chosen_share(1.4, 1.5, 0.0, repeated=9.0).share == OF_A_FAR_TEXT
    far = chosen_share(1.4, 1.5, 0.6, repeated=9.0)
    assert far.share == OF_ANOTHER_ALPHABET and "short" not in far.reason


def test_only_a_text_that_is_read_often_has_some_to_spare() -> None:
    assert once_more(1000, 500, 500 * OFTEN) == 0.0
    assert once_more(1000, 500, 5000) == 0.2
