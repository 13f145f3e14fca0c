"""How much is replayed: little of near texts, more of far ones."""

from models.training.continual.replay_share import (
    DEFAULT_SHARE,
    OF_A_FAR_TEXT,
    OF_ANOTHER_ALPHABET,
    chosen_share,
)


def test_a_near_text_gets_the_default() -> None:
    found = chosen_share(1.4, 1.5, 0.0)
    assert found.share == DEFAULT_SHARE and "near" in found.reason


def test_a_far_text_gets_more_by_its_loss_or_its_characters() -> None:
    assert chosen_share(1.4, 5.0, 0.0).share == OF_A_FAR_TEXT
    strange = chosen_share(1.4, 1.5, 0.6)
    assert strange.share == OF_ANOTHER_ALPHABET and "60 % of its characters are new" in strange.reason


def test_in_between_it_rises() -> None:
    shares = [chosen_share(1.4, 1.4 + gap / 10, 0.0).share for gap in range(40)]
    assert shares == sorted(shares) and len(set(shares)) > 5


def test_without_a_loss_it_is_the_default() -> None:
    assert chosen_share(None, 2.0, 0.0).share == DEFAULT_SHARE
