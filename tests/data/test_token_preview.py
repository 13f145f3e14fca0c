"""What a model will see of a corpus: the parts add up, and the tokens are those of the text."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.bpe_tokenizer import train_bpe_tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.corpus import Corpus, open_corpus
from data.errors import CorpusError
from data.prepare import prepare
from data.progress import result_of
from data.token_preview import SHOWN_CHARACTERS, TokenPreview, preview_tokens
from data.tokenizer import Tokenizer

PROSE = "".join(f"The {i}th crow sat on a tree, and a fox came by.\n" for i in range(60))


def look(corpus: Corpus, tokenizer: Tokenizer, documents: int = 3) -> TokenPreview:
    return result_of(preview_tokens(corpus, tokenizer, documents))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("abc é漢\n", min_size=1, max_size=30), min_size=4, max_size=12),
    form=st.sampled_from(["text", "messages", "plain"]),
    documents=st.integers(0, 20),
)
def test_the_parts_add_up_and_the_tokens_shown_are_the_first_that_are_trained_on(
    texts: list[str], form: str, documents: int, tmp_path: Path
) -> None:
    path = tmp_path / ("a.txt" if form == "plain" else "a.jsonl")
    if form == "plain":
        path.write_text("".join(texts))
    else:
        records = ({"text": one} if form == "text" else {"prompt": one, "completion": "b"} for one in texts)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    try:
        corpus = open_corpus([path])
    except CorpusError:  # a single character, or white space
        return
    tokenizer = train_character_tokenizer(corpus)
    found = look(corpus, tokenizer, documents)
    assert sum(size.characters for size in found.splits.values()) == corpus.characters
    assert form == "plain" or sum(size.documents for size in found.splits.values()) == corpus.documents
    assert found.roles == ({"user": len(texts), "assistant": len(texts)} if form == "messages" else {})
    assert len(found.shown) == min(documents, 2 if form == "plain" else len(texts))
    data = result_of(prepare(corpus, tokenizer, tmp_path / "cache"))
    for split, trained in (("train", data.train), ("validation", data.validation)):
        ids = [token.id for one in found.shown if one.split == split for token in one.tokens]
        assert trained[: len(ids)].tolist() == ids
    assert all(one.is_whole for one in found.shown)


def test_only_the_beginning_of_a_long_document_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE * 50)
    corpus = open_corpus([tmp_path / "a.txt"])
    tokenizer = train_bpe_tokenizer(corpus, 400)
    learned, held_out = look(corpus, tokenizer).shown
    for one in (learned, held_out):
        text = tokenizer.decode(token.id for token in one.tokens)
        assert SHOWN_CHARACTERS <= len(text) < SHOWN_CHARACTERS + 40 and not one.is_whole
    assert (PROSE * 50).startswith("".join(token.text for token in learned.tokens))
    assert 2 < look(corpus, tokenizer).characters_per_token < 30


def test_a_file_that_changed_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    corpus = open_corpus([tmp_path / "a.txt"])
    tokenizer = train_character_tokenizer(corpus)
    (tmp_path / "a.txt").write_text(PROSE + "more")
    with pytest.raises(CorpusError, match="changed"):
        look(corpus, tokenizer)
