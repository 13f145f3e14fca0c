"""Foreign text has no character that a terminal obeys."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.safe_text import safe_text

# The default alphabet has no surrogates; a damaged file name can have them.
ANYTHING = st.text(st.characters(exclude_categories=[]))
DANGEROUS = [chr(n) for n in [*range(0x20), *range(0x7F, 0xA0)] if chr(n) not in "\n\t"] + [
    *map(chr, [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
    *map(chr, range(0xE0000, 0xE0080)),
]


@given(ANYTHING)
def test_every_control_character_is_replaced(text: str) -> None:
    shown = safe_text(text)
    assert not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in shown)
    shown.encode("utf-8")  # no lone surrogate is left to make printing fail


@given(ANYTHING)
def test_one_character_becomes_one_and_a_second_pass_changes_nothing(text: str) -> None:
    assert len(safe_text(text)) == len(text)
    assert safe_text(safe_text(text)) == safe_text(text)


@given(ANYTHING, ANYTHING)
def test_a_stream_may_be_cut_anywhere(left: str, right: str) -> None:
    assert safe_text(left + right) == safe_text(left) + safe_text(right)


@pytest.mark.parametrize("character", DANGEROUS, ids=lambda c: f"U+{ord(c):04X}")
def test_dangerous_characters_are_replaced(character: str) -> None:
    assert character not in safe_text(f"a{character}b")


@pytest.mark.parametrize(
    "text", ["plain\n\ttext", "Привет, 世界", "👩‍💻", "[bold]markup[/bold]", "naïve café"]
)
def test_harmless_text_is_not_changed(text: str) -> None:
    assert safe_text(text) == text
