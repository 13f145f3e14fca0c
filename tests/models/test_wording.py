"""Numbers with their nouns."""

import pytest

from models.wording import about_minutes, counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "step", "0 steps"),
        (1, "step", "1 step"),
        (1234, "step", "1,234 steps"),
        (1.0, "minute", "1 minute"),
        (2.5, "minute", "2.5 minutes"),
        (1, "block pass", "1 block pass"),
        (2, "pass", "2 passes"),
    ],
)
def test_one_is_one_and_the_rest_are_many(number: float, noun: str, words: str) -> None:
    assert counted(number, noun) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "less than a minute"), (60, "about 1 minute"), (62, "about 1 minute"), (150, "about 2.5 minutes")],
)
def test_an_estimate_of_nothing_is_less_than_a_minute(seconds: float, words: str) -> None:
    assert about_minutes(seconds) == words
