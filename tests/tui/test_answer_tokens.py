"""The tokens of an answer: where they are in its text, what colours tell, and the cursor over them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.generation.generate import GeneratedToken
from tui.answer_tokens import LEVELS, AnswerTokens, TokenCursor
from tui.chat_entries import Entry
from tui.widgets.entry_text import shown_part


def token(text: str, probability: float = 0.5, passes: float = 2.0, id: int = 7) -> GeneratedToken:
    return GeneratedToken(0, id, text, probability, passes, None)


def tokens_of(*given: GeneratedToken) -> AnswerTokens:
    tokens = AnswerTokens(str)
    for one in given:
        tokens.add(one)
    return tokens


def test_text_belongs_to_the_tokens_it_came_with() -> None:
    """Three tokens make one character, and the last one ends the answer without a text."""
    tokens = tokens_of(token("the"), token("", 0.5, 1), token("", 0.5, 2), token("é", 0.4, 3), token("", 1.0))
    assert [tokens.span(index) for index in range(5)] == [(0, 3), (3, 4), (3, 4), (3, 4), (4, 4)]
    assert [tokens.at(character) for character in (0, 2, 3, 4)] == [0, 0, 3, None]
    piece = tokens.pieces[1]
    assert piece[:2] == (3, 4) and piece.probability == pytest.approx(0.1) and piece.passes == 2


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 1), st.integers(1, 9)), max_size=12))
def test_pieces_and_colours_cover_the_text_without_gaps(items: list[tuple[str, float, int]]) -> None:
    tokens = tokens_of(*(token(text, p, passes) for text, p, passes in items))
    length = sum(len(text) for text, _, _ in items)
    assert [character for piece in tokens.pieces for character in range(*piece[:2])] == list(range(length))
    assert tokens.colored("plain") == []
    for coloring in ("probability", "passes"):
        colored = tokens.colored(coloring)
        assert [character for start, end, _ in colored for character in range(start, end)] == list(
            range(length)
        )
        assert all(0 <= level < LEVELS for _, _, level in colored)
        assert all(one[2] != after[2] for one, after in itertools.pairwise(colored))
    for index in range(len(tokens)):
        start, end = tokens.span(index)
        assert 0 <= start <= end <= length


def test_levels_and_summaries() -> None:
    likely, unlikely = token("a", 0.95, 1), token("b", 0.001, 6)
    tokens = tokens_of(likely, unlikely)
    assert tokens.colored("probability") == [(0, 1, 0), (1, 2, LEVELS - 1)]
    assert tokens.colored("passes") == [(0, 1, 0), (1, 2, LEVELS - 1)]
    assert tokens.summary("passes") == "1 to 6, mean 3.5"
    assert tokens_of(likely, likely).summary("passes") == "every token took 1"
    assert tokens.summary("probability") == "mean 47.5 %"
    assert tokens_of(unlikely).summary("probability") == "mean 0.1 %"
    assert tokens_of().summary("passes") == ""


def test_the_cursor_moves_by_tokens_and_answers_and_stays_inside() -> None:
    first, last = tokens_of(token("a"), token("b")), tokens_of(token("c"))
    cursor = TokenCursor([first, last])
    assert cursor.tokens is last
    cursor.move(5)
    assert cursor.token == 0
    cursor.move_answer(-1)
    cursor.move(5)
    assert cursor.tokens is first and cursor.token == 1
    cursor.move_answer(-1)
    assert cursor.token == 1, "there is no answer before"
    cursor.put(last, 0)
    assert cursor.tokens is last


@pytest.mark.parametrize("text", ["x" * 100_000, "ab\n" * 30_000, "short", ""])
def test_long_entries_are_drawn_in_part(text: str) -> None:
    start, end = shown_part(Entry("model", text))
    assert end == len(text) and end - start <= 6000 and text[start:end].count("\n") <= 300
    start, end = shown_part(Entry("user", text))
    assert start == 0 and end <= 2000 and text[:end].count("\n") <= 40
