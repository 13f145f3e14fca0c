"""Held-out parts that are measured in their shares."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.character_tokenizer import CharacterTokenizer
from data.tokenizer import Tokenizer
from models.evaluation.loss import evaluation_windows
from models.evaluation.parts import HeldOutPart, asked_size, limit_of_reading, most_of, tokens_read

sizes = st.lists(st.tuples(st.integers(2, 400), st.integers(1, 50)), min_size=1, max_size=4)


@given(sizes=sizes, length=st.integers(1, 40), limit=st.integers(1, 900))
def test_what_was_read_tells_the_windows_of_every_part(
    sizes: list[tuple[int, int]], length: int, limit: int
) -> None:
    total = sum(weight for _, weight in sizes)
    parts = [HeldOutPart("", np.zeros(count, dtype=np.uint8), weight / total) for count, weight in sizes]
    found = limit_of_reading(parts, length, tokens_read(parts, length, limit))
    for part in parts:
        windows = [
            evaluation_windows(part.tokens, length, 1, most_of(part, one))[0] for one in (limit, found)
        ]
        assert windows[0] == windows[1]
    assert limit_of_reading(parts, length, None) is None


def test_the_bytes_of_what_is_asked_for_are_in_the_shares_of_the_parts() -> None:
    tokenizer = CharacterTokenizer("aé")
    bos, eos, a, accented = Tokenizer.bos_id, Tokenizer.eos_id, 16, 17
    parts = [
        HeldOutPart("one", np.array([bos, a, a, a, eos], dtype=np.uint8), 0.75, within_documents=True),
        HeldOutPart("two", np.array([bos, accented, eos] * 2, dtype=np.uint8), 0.25, within_documents=True),
    ]
    # Three bytes in four tokens, and two in two: in the shares 0.75 * 0.75 + 0.25 for each token.
    assert asked_size(parts, tokenizer) == (8, round(8 * (0.75 * 0.75 + 0.25)))
    assert asked_size(parts[1:], tokenizer)[0] == 4
