"""Numbers with their nouns."""

import pytest

from data.wording import about_minutes, byte_size, counted


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


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"), (999, "999 B"), (40_000, "40.0 kB"), (999_960, "1.0 MB"), (4_194_304, "4.2 MB"),
        (250_000_000, "250 MB"), (1_500_000_000, "1.5 GB"), (3e13, "30.0 TB"),
    ],
)  # fmt: skip
def test_a_size_has_the_unit_that_fits_it(size: float, words: str) -> None:
    assert byte_size(size) == words
