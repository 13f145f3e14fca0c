"""Where documents begin among tokens that follow each other without padding."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.character_tokenizer import CharacterTokenizer
from data.corpus import scan_corpus
from data.document_borders import asked_tokens, document_numbers, without_first_tokens
from data.loader import IGNORED, BlockSampler, inputs_and_targets, validation_windows
from data.loss_marks import with_marks
from data.prepare import prepare
from data.progress import result_of
from tests.data.test_loss_marks import document, encoded


@given(
    documents=st.lists(document, min_size=4, max_size=8),
    position=st.integers(0, 9),
    answers_only=st.booleans(),
)
def test_a_sequence_knows_the_documents_of_its_tokens(
    documents: list[Any], position: int, answers_only: bool
) -> None:
    parts = [encoded([one]) for one in [*documents, *documents]]
    tokens = np.concatenate(parts)
    if len(tokens) < 20:
        return
    numbers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    places = BlockSampler(np.arange(len(tokens), dtype=np.uint32), 6, 0).batch(position, 3)  # (B, T + 1)
    marked = with_marks(tokens) if answers_only else tokens
    inputs, targets = inputs_and_targets(BlockSampler(marked, 6, 0).batch(position, 3))
    found = document_numbers(inputs)
    of_inputs = numbers[places[:, :-1]]
    assert (found == of_inputs - of_inputs[:, :1]).all()
    inside = without_first_tokens(inputs, targets)
    crosses = numbers[places[:, 1:]] != of_inputs
    assert (inside[crosses] == IGNORED).all() and (inside[~crosses] == targets[~crosses]).all()


@given(documents=st.lists(document, min_size=2, max_size=6), at_once=st.integers(1, 9))
def test_what_is_asked_for_is_all_but_the_first_token_of_each(documents: list[Any], at_once: int) -> None:
    tokens = encoded(documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data.document_borders._AT_ONCE", at_once)
        found = [int(one) for part in asked_tokens(tokens, within_documents=True) for one in part]
    assert found == [int(one) for document in documents for one in encoded([document])[1:]]
    windows = ((x, without_first_tokens(x, y)) for x, y in validation_windows(tokens, 5, 2))
    assert found == [int(one) for _, targets in windows for one in targets.ravel() if one != IGNORED]


def test_files_records_and_conversations_begin_where_they_were_joined(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    for name in "abcde":
        (folder / f"{name}.txt").write_text(f"{name} wrote a letter.\n" * 3)
    chats = tmp_path / "chats.jsonl"
    turns = [{"role": role, "content": "yes, no."} for role in ("system", "user", "assistant", "user")]
    chats.write_text("\n".join(json.dumps(one) for one in ([{"messages": turns}, {"text": "a tale"}] * 20)))
    for path, expected in ((folder, (5, 5)), (chats, (36, 4)), (folder / "a.txt", (1, 1))):
        corpus = result_of(scan_corpus([path]))
        tokenizer = CharacterTokenizer("".join(sorted(corpus.character_counts)))
        data = result_of(prepare(corpus, tokenizer, tmp_path / "cache"))
        numbers = [
            document_numbers(np.asarray(part)[None].astype(np.int64))
            for part in (data.train, data.validation)
        ]
        assert tuple(int(one[0, -1]) + 1 for one in numbers) == expected, path
