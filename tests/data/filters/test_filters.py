"""What the filters drop, and that what they drop is counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UsageError
from data.filters import FILTERS, PRESETS, Filters, parse_filters

SENTENCE = "The river ran past the mill, and the miller's daughter sat by it with a book"
ALL = "technical,script:latin,near-duplicates"
texts = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from([SENTENCE, SENTENCE + ".", SENTENCE.upper(), "see https://a.b/c", "", " \n"]),
        st.text("ab -", max_size=60),
    ),
    max_size=12,
)
choices = st.lists(
    st.sampled_from([*(name for name in FILTERS if name != "script"), "script:latin", "length:3-"]),
    max_size=5,
)


@settings(max_examples=40)
@given(texts=texts, names=choices, of_lines=st.booleans())
def test_every_text_is_kept_or_counted_once_and_filtering_again_drops_nothing(
    texts: list[str], names: list[str], of_lines: bool
) -> None:
    filters = Filters(names, of_lines=of_lines)
    dropped = [filters.dropped_by(text) for text in texts]
    kept = [text for text, by in zip(texts, dropped, strict=True) if by is None]
    assert len(kept) + sum(filters.counts.values()) == len(texts)
    assert sum(map(len, kept)) + sum(filters.characters.values()) == sum(map(len, texts))
    assert all(filters.counts[name] == dropped.count(name) for name in filters.names)
    again = Filters(names, of_lines=of_lines)
    assert [again.dropped_by(text) for text in kept] == [None] * len(kept)


@settings(max_examples=40)
@given(texts=texts, names=choices, cut=st.integers(0, 12))
def test_the_result_is_the_same_again_and_after_going_back(
    texts: list[str], names: list[str], cut: int
) -> None:
    whole = Filters(names)
    expected = [whole.dropped_by(text) for text in texts]
    filters = parse_filters(",".join(reversed(names)))
    assert filters.names == whole.names == parse_filters(",".join(whole.names)).names
    first = [filters.dropped_by(text) for text in texts[:cut]]
    mark = filters.mark()
    for text in [*reversed(texts), SENTENCE, "x" * 70]:
        filters.dropped_by(text)
    filters.back_to(mark)
    assert first + [filters.dropped_by(text) for text in texts[cut:]] == expected
    assert (filters.counts, filters.characters) == (whole.counts, whole.characters)


@pytest.mark.parametrize(
    ("name", "dropped", "kept"),
    [
        ("length", ["x" * 49, "x" * 401, " " * 60, ""], ["x" * 50, "x" * 400]),
        ("length:3-", ["ab", " ab "], ["abc", "x" * 10_000]),
        ("words", ["one two three four five six seven"], ["a b c d e f g h", "a\nb c\td e f g h i"]),
        ("symbols", ["a -----------", "___________", "=" * 200], ["a ---------- b", "x" * 50, "हिन्दी में"]),
        ("url", ["see https://a.b", "WWW.example.org", "(ftp://x)"], ["http", "www.", "at noon: 12://"]),
        (
            "punctuation",
            ["a++--!", "[[..]]"],
            ["It is, she said.", "", "हिन्दी में लिखा हुआ", "“It is,” she said."],
        ),
        ("noise", ["a\x00b", "\ufffd\ufffd text", "cafÃ© and naÃ¯ve", "\ue000"], ["café\f\n", "Ãtienne"]),
        ("script:latin", ["привет", "ab где что это", "日本語"], ["hello", "12 + 3", "déjà vu", ""]),
        ("script:japanese", ["hello", "привет"], ["日本語のテキスト", "カタカナ"]),
        ("script:cyrillic:40", ["hello the мир"], ["hello приветы", "привет"]),
    ],
)
def test_what_a_filter_drops(name: str, dropped: list[str], kept: list[str]) -> None:
    assert [parse_filters(name).dropped_by(text) for text in dropped] == [name] * len(dropped)
    assert [parse_filters(name).dropped_by(text) for text in kept] == [None] * len(kept)


def test_duplicates_are_those_that_came_before() -> None:
    filters = parse_filters("duplicates")
    found = [
        filters.dropped_by(text) for text in (SENTENCE, "Yes.", f" {SENTENCE}\n", SENTENCE + ".", "Yes.")
    ]
    assert found == [None, None, "duplicates", None, "duplicates"]
    lines = parse_filters("duplicates", of_lines=True)
    assert [lines.dropped_by(text) for text in ("Yes.", "Yes.", "", "", SENTENCE, SENTENCE)] == [
        *[None] * 5,
        "duplicates",
    ]


def test_near_duplicates_are_found_by_what_they_share() -> None:
    words = [f"word{number * 7919 % 1000}" for number in range(400)]
    text = " ".join(words)
    changed = " ".join([*words[:200], "another", *words[201:]])
    half = " ".join([*words[:200], *(f"other{number * 7907 % 1000}" for number in range(200))])
    filters = parse_filters("near-duplicates")
    assert filters.dropped_by(text) is None
    assert filters.dropped_by(changed) == "near-duplicates"
    assert filters.dropped_by(text.upper().replace(" ", ", ")) == "near-duplicates"
    assert filters.dropped_by(half) is None


def test_near_duplicates_are_found_as_often_as_promised() -> None:
    """Of pairs that share four fifths of their runs most are found, of those that share two fifths few."""
    found = {0.8: 0, 0.4: 0}
    for number in range(60):
        base = "".join(chr(0x4E00 + (number * 104729 + i * i * 31 + i * 7) % 8000) for i in range(1000))
        for share in found:
            length = round(1000 * 2 * share / (1 + share))  # the common part of two of equal length
            other = "".join(
                chr(0xAC00 + (number * 7919 + i * i * 13 + i) % 8000) for i in range(1000 - length)
            )
            filters = parse_filters("near-duplicates")
            filters.dropped_by(base)
            found[share] += filters.dropped_by(base[:length] + other) is not None
    assert found[0.8] > 45 and found[0.4] < 9


def test_a_preset_is_its_filters_and_each_says_what_it_drops() -> None:
    filters = parse_filters(f"{ALL},url")
    assert set(PRESETS["technical"]) < set(filters.names) and len(set(filters.names)) == len(filters.names)
    assert list(filters.sentences) == list(filters.names) and all(filters.sentences.values())
    assert not parse_filters("") and not parse_filters("none") and parse_filters("url")


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("techncal", "no filter 'techncal'", "technical"),
        ("length:9-3", "no range", "length:50-400"),
        ("length:-", "no range", "length:50-400"),
        ("url:3", "takes no value", "url alone"),
        ("symbols:x", "whole number", ""),
        ("symbols:", "is missing", "symbols alone"),
        ("script", "needs the name of a script", "latin"),
        ("script:cyrilic", "no script 'cyrilic'", "script:cyrillic"),
        ("script:latin:0", "whole number from 1 to 100", ""),
        ("punctuation:²", "whole number", ""),
    ],
)
def test_a_wrong_filter_is_told(text: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_filters(text)
    assert sentence in raised.value.message and hint in (raised.value.hint or "")
