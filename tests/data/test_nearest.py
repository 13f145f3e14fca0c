"""Suggestions for a mistyped name."""

import pytest

from data.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "names", "found"),
    [
        ("EN", ["psub", "en"], ["en"]),
        ("HRM-4M", ["hrm-4m", "trm-small"], ["hrm-4m"]),
        ("recursive-router", ["looped", "recursive_router"], ["recursive_router"]),
        ("mdoe", ["more", "mode"], ["mode"]),
        ("Book", ["BOOK", "Book.txt", "book"], ["BOOK"]),
        ("zebra", ["owl", "fox"], []),
        ("", ["owl"], []),
    ],
)
def test_case_hyphens_and_swapped_letters_do_not_matter(
    word: str, names: list[str], found: list[str]
) -> None:
    assert nearest(word, names) == found


def test_an_exact_name_comes_first() -> None:
    assert nearest("book", ["BOOK", "Book", "book"], count=3) == ["book", "BOOK", "Book"]


def test_without_a_near_name_all_are_listed() -> None:
    assert did_you_mean("dep", ["fast", "deep"]) == "Did you mean deep?"
    assert did_you_mean("zzz", ["fast", "deep"]) == "Choose one of: fast, deep."
