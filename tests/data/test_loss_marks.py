"""Marks on what a model of conversations is not asked for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.document import ROLES
from data.document_borders import asked_tokens
from data.errors import CorpusError
from data.loader import IGNORED, BlockSampler, inputs_and_targets, validation_windows
from data.loss_marks import MARK, as_asked, require_asked, unmarked, with_marks
from data.tokenizer import Tokenizer


def asked_by_reading(tokens: list[int]) -> list[bool]:
    """Token by token, as a person would."""
    asked, speaker = [], "nobody"
    for token in tokens:
        role = next((role for role, one in Tokenizer.role_ids.items() if one == token), None)
        asked.append(role is None and token != Tokenizer.bos_id and speaker in ("nobody", "assistant"))
        if role is not None:
            speaker = role
        elif token in (Tokenizer.bos_id, Tokenizer.eos_id):
            speaker = "nobody"
    return asked


message = st.tuples(st.sampled_from(ROLES), st.lists(st.integers(16, 40), max_size=4))
document: Any = st.one_of(
    st.lists(message, min_size=1, max_size=4), st.lists(st.integers(16, 40), max_size=5)
)


def encoded(documents: list[Any]) -> np.ndarray:
    tokens: list[int] = []
    for one in documents:
        tokens.append(Tokenizer.bos_id)
        if one and isinstance(one[0], tuple):
            for role, content in one:
                tokens += [Tokenizer.role_ids[role], *content, Tokenizer.eos_id]
        else:
            tokens += [*one, Tokenizer.eos_id]
    return np.array(tokens, dtype=np.uint8)


@given(
    documents=st.lists(document, min_size=1, max_size=5), cut=st.integers(0, 10), at_once=st.integers(1, 9)
)
def test_only_what_the_assistant_says_and_plain_texts_are_asked_for(
    documents: list[Any], cut: int, at_once: int
) -> None:
    tokens = encoded(documents)[cut:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data.loss_marks._AT_ONCE", at_once)
        marked = with_marks(tokens)
    expected = np.array(asked_by_reading(tokens.tolist()), dtype=bool)
    assert marked.dtype == np.uint32 and unmarked(marked).tolist() == tokens.tolist()
    assert (marked < MARK).tolist() == expected.tolist()
    found = [int(token) for part in asked_tokens(marked, within_documents=False) for token in part]
    assert found == tokens[expected].tolist()


@given(documents=st.lists(document, min_size=4, max_size=8), seed=st.integers(0, 5))
def test_blocks_and_windows_ask_for_the_same_and_read_everything(documents: list[Any], seed: int) -> None:
    tokens = encoded([*documents, *documents])
    if len(tokens) < 20:
        return
    marked = as_asked(tokens, "assistant")
    assert as_asked(tokens, "all") is tokens
    plain, asked = BlockSampler(tokens, 4, seed), BlockSampler(marked, 4, seed)
    for position in (0, 7):
        inputs, targets = inputs_and_targets(asked.batch(position, 3))
        blocks = plain.batch(position, 3)
        assert (inputs == blocks[:, :-1]).all()
        assert ((targets == blocks[:, 1:]) | (targets == IGNORED)).all()
    read = [target for _, targets in validation_windows(marked, 4, 2) for target in targets.ravel()]
    expected = [token for token in marked[1:].tolist() if token < MARK]
    assert [target for target in read if target != IGNORED] == expected


def test_a_text_in_which_the_assistant_says_nothing_is_refused() -> None:
    user, bos = Tokenizer.role_ids["user"], Tokenizer.bos_id
    silent = with_marks(np.array([bos, user, 20, 21, Tokenizer.eos_id] * 3, dtype=np.uint16))
    with pytest.raises(CorpusError, match="says nothing in my text"):
        require_asked(silent, "my text")
    spoken = np.append(silent, np.uint32(20))
    assert require_asked(spoken, "my text") is spoken
