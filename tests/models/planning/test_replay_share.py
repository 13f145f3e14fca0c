"""How much is replayed: little of near texts, more of far ones."""

from models.planning.replay_share import (
    DEFAULT_SHARE,
    MOST_READINGS,
    OF_A_FAR_TEXT,
    OF_ANOTHER_ALPHABET,
    OFTEN,
    chosen_share,
    is_read_often,
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
    assert chosen_share(1.4, 1.5, 0.0, 0.01, has_spare_time=True).share == DEFAULT_SHARE
    short = chosen_share(1.4, 1.5, 0.0, 0.1, has_spare_time=True)
    assert short.share == 0.2 and "short" in short.reason
    assert chosen_share(1.4, 1.5, 0.0, 9.0, has_spare_time=True).share == OF_A_FAR_TEXT
    far = chosen_share(1.4, 1.5, 0.6, 9.0, has_spare_time=True)
    assert far.share == OF_ANOTHER_ALPHABET and "short" not in far.reason


def test_a_short_earlier_text_is_not_learned_by_heart() -> None:
    one_reading = 0.7 / 11  # with the share for another alphabet it would be read eleven times
    strange = chosen_share(1.4, 1.5, 0.6, one_reading)
    assert strange.share == round(MOST_READINGS * one_reading, 3)
    assert strange.reason == "60 % of the new text's characters are new"
    assert chosen_share(1.4, 5.0, 0.0, one_reading / 4).share == round(MOST_READINGS * one_reading / 4, 3)
    assert chosen_share(1.4, 5.0, 0.6, one_reading / 1000).share == DEFAULT_SHARE


def test_only_a_text_that_is_read_often_has_time_to_spare() -> None:
    assert not is_read_often(500, 500 * OFTEN)
    assert is_read_often(500, 5000)
