"""What a penalty and an n-gram rule look at."""

from hypothesis import given
from hypothesis import strategies as st

from models.generation.history import History


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 12), st.integers(0, 5))
def test_history_equals_a_search_in_the_window(tokens: list[int], length: int, n: int) -> None:
    history = History(tokens[:5], length, n)
    for token in tokens[5:]:
        history.add(token)
    window = tokens[-length:]
    grams = [tuple(window[i : i + n]) for i in range(len(window) - n + 1)] if n else []
    end = tuple(window[len(window) - n + 1 :]) if n else ()
    assert set(history.distinct()) == set(window)
    assert set(history.completing()) == {t for t in range(4) if (*end, t) in grams}


def test_a_long_text_keeps_only_its_window() -> None:
    history = History(range(10_000), 64, 3)
    assert len(history.distinct()) == 64
    assert len(history._followers) == 62
