"""Text is complete and ends at the right place, however tokens split it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.generation.text_stream import TextStream


class Pieces:
    """A decoder whose token n is the n-th piece."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    def push(self, token: int) -> str:
        return self._pieces[token]

    def flush(self) -> str:
        return ""


def run(pieces: list[str], stop: tuple[str, ...] = (), natural: bool = False) -> tuple[list[str], str | None]:
    stream = TextStream(Pieces(pieces), stop, natural)
    released = []
    for token in range(len(pieces)):
        text, ending = stream.push(token)
        released.append(text)
        if ending:
            return released, ending
    text, ending = stream.flush()
    return [*released, text], ending


def cut(text: str, data: st.DataObject) -> list[str]:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.text("ab ", max_size=20), st.lists(st.text("ab ", min_size=1, max_size=4), max_size=3), st.data())
def test_text_ends_before_the_first_stop_string(text: str, stops: list[str], data: st.DataObject) -> None:
    released, ending = run(cut(text, data), tuple(stops))
    joined = "".join(released)
    assert text.startswith(joined)
    assert not any(stop in joined for stop in stops)
    if ending is None:
        assert joined == text
    else:
        assert ending == "stop"
        assert any(text[len(joined) :].startswith(stop) for stop in stops)


@given(st.text(max_size=20), st.data())
def test_without_stop_strings_text_is_not_delayed(text: str, data: st.DataObject) -> None:
    pieces = cut(text, data)
    assert run(pieces) == ([*pieces, ""], None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("he said. And left.", "he said."),
        ('"Why?" he asked', '"Why?"'),
        ("pi is 3.14 or so. Yes", "pi is 3.14 or so."),
        ("Mr. Smith came. He", "Mr. Smith came."),
        ("than I. You", "than I."),
        (". \nThen it ended! So", ". \nThen it ended!"),
        ("a title\n\nand text", "a title"),
        ("\n\nfirst words. x", "\n\nfirst words."),
        ("wait... what", "wait..."),
        ("没有。 然后", "没有。"),
        ("没有。然后", "没有。"),
        ("「行こう。」と言った。", "「行こう。」"),
        ("本当に！？そう", "本当に！？"),
        ("वह आया। फिर", "वह आया।"),
        ("هل جاء؟ نعم", "هل جاء؟"),
    ],
)
@given(data=st.data())
def test_a_natural_end_is_the_first_sentence(text: str, expected: str, data: st.DataObject) -> None:
    released, ending = run(cut(text, data), natural=True)
    assert "".join(released).rstrip("\n") == expected
    assert ending == "natural"


def test_sentence_end_needs_the_next_character() -> None:
    assert run(["It costs 3", ".", "50 now"], natural=True) == (["It costs 3", ".", "50 now", ""], None)
