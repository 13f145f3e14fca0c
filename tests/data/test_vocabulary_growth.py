"""A vocabulary that grows: ids stay, old merges are applied first, new ones are learnt from the new
corpus."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import MAX_TOKEN_BYTES, BpeTokenizer, train_bpe_tokenizer
from data.character_tokenizer import MAX_CHARACTERS, CharacterTokenizer
from data.corpus import Corpus, open_corpus
from data.errors import UsageError
from data.tokenizer import MAX_VOCAB_SIZE, SPECIAL_TOKENS, load_tokenizer, tokenizer_from_json

OLD = "The owl said: 'don't!', 1234 times, and the other owls said nothing at all.\n\n" * 60
NEW = "Совы молчали; сова сказала: «Не надо!» the otherworldly owls, 1234 naïve 世界 aaaaaa.\n\n" * 60

Grown = tuple[BpeTokenizer, list[tuple[int, ...]]]


def corpus_of(folder: Path, name: str, text: str) -> Corpus:
    path = folder / f"{name}.txt"
    path.write_text(text, encoding="utf-8")
    return open_corpus([path])


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Corpus]:
    folder = tmp_path_factory.mktemp("text")
    return corpus_of(folder, "old", OLD), corpus_of(folder, "new", NEW)


@pytest.fixture(scope="module")
def old(corpora: tuple[Corpus, Corpus]) -> BpeTokenizer:
    return train_bpe_tokenizer(corpora[0], 310)


@pytest.fixture(scope="module")
def grown(corpora: tuple[Corpus, Corpus], old: BpeTokenizer) -> Grown:
    return grow_bpe(old, corpora[1], 40)


def joined(ids: list[int], parts: list[tuple[int, ...]], first_new: int) -> list[int]:
    """The merges applied one after another, each from left to right."""
    for token, pair in enumerate(parts, first_new):
        at = 0
        while at < len(ids):
            if tuple(ids[at : at + 2]) == pair:
                ids[at : at + 2] = [token]
            at += 1
    return ids


any_text = st.one_of(
    st.text(),
    st.text(st.sampled_from(sorted(set(OLD + NEW)))),
    st.lists(st.sampled_from([*OLD.split(), *NEW.split(), " ", "\n", "aa", "а", "ов"])).map(" ".join),
)


@given(text=any_text)
def test_a_grown_tokenizer_applies_the_old_and_then_the_new_merges(
    old: BpeTokenizer, grown: Grown, text: str
) -> None:
    tokenizer, parts = grown
    expected: list[int] = []
    for word in old.words(text):
        expected += joined(old.encode_word(word), parts, old.vocab_size)
    assert tokenizer.encode(text).tolist() == expected
    assert tokenizer.decode(expected) == text


@given(text=any_text)
def test_encoding_word_by_word_is_encoding_the_text(old: BpeTokenizer, text: str) -> None:
    ids = [token for word in old.words(text) for token in old.encode_word(word)]
    assert ids == old.encode(text).tolist()


def test_ids_stay_and_each_new_token_joins_its_parts(old: BpeTokenizer, grown: Grown) -> None:
    tokenizer, parts = grown
    assert len(parts) == 40 and tokenizer.vocab_size == old.vocab_size + 40
    assert [tokenizer.token_bytes(i) for i in range(old.vocab_size)] == [
        old.token_bytes(i) for i in range(old.vocab_size)
    ]
    for token, (first, second) in enumerate(parts, old.vocab_size):
        assert max(first, second) < token
        assert tokenizer.token_bytes(token) == tokenizer.token_bytes(first) + tokenizer.token_bytes(second)
        assert len(tokenizer.token_bytes(token)) <= MAX_TOKEN_BYTES
    spelled = [tokenizer.token_bytes(i) for i in range(len(SPECIAL_TOKENS), tokenizer.vocab_size)]
    assert len(set(spelled)) == len(spelled)


def test_every_merge_joins_the_most_frequent_pair(old: BpeTokenizer, grown: Grown) -> None:
    """The pairs are counted anew for each merge; of equal counts the pair with the lower ids is first."""
    train = NEW[: len(NEW) * 9 // 10]
    words = [old.encode_word(word) for word in old.words(train)]
    spelled = {i: old.token_bytes(i) for i in range(old.vocab_size)}
    for token, pair in enumerate(grown[1], old.vocab_size):
        counts: dict[tuple[int, ...], int] = {}
        for word in words:
            for found in itertools.pairwise(word):
                text = spelled[found[0]] + spelled[found[1]]
                if text not in spelled.values() and len(text) <= MAX_TOKEN_BYTES:
                    counts[found] = counts.get(found, 0) + 1
        assert pair == min(counts, key=lambda p: (-counts[p], p))
        words = [joined(word, [pair], token) for word in words]
        spelled[token] = spelled[pair[0]] + spelled[pair[1]]


def test_the_new_text_has_fewer_tokens_and_growth_is_reproducible(
    corpora: tuple[Corpus, Corpus], old: BpeTokenizer, grown: Grown
) -> None:
    assert len(grown[0].encode(NEW)) < 0.6 * len(old.encode(NEW))
    again, parts = grow_bpe(old, corpora[1], 40)
    assert again.to_json() == grown[0].to_json() and parts == grown[1]


def test_a_grown_tokenizer_grows_again_and_is_loaded_from_its_file(
    tmp_path: Path, corpora: tuple[Corpus, Corpus], old: BpeTokenizer, grown: Grown
) -> None:
    grown[0].save(tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, BpeTokenizer) and loaded.to_json() == grown[0].to_json()
    at_once, parts = grow_bpe(old, corpora[1], 60)
    in_two, rest = grow_bpe(loaded, corpora[1], 20)
    assert in_two.to_json() == at_once.to_json() and grown[1] + rest == parts
    assert np.array_equal(in_two.encode(NEW), at_once.encode(NEW))


def test_growth_ends_where_no_pair_occurs_twice(tmp_path: Path, old: BpeTokenizer) -> None:
    small = corpus_of(tmp_path, "small", "Совы и совы, " * 30)
    tokenizer, parts = grow_bpe(old, small, 5000)
    assert 0 < len(parts) < 40 and tokenizer.vocab_size == old.vocab_size + len(parts)
    with pytest.raises(UsageError, match="has no pair of tokens that occurs twice") as caught:
        grow_bpe(tokenizer, small, 1)
    assert caught.value.hint


@pytest.mark.parametrize("number", [0, -1, MAX_VOCAB_SIZE])
def test_a_number_of_tokens_out_of_range_is_refused(
    corpora: tuple[Corpus, Corpus], old: BpeTokenizer, number: int
) -> None:
    with pytest.raises(UsageError, match="cannot grow by"):
        grow_bpe(old, corpora[1], number)


def test_rare_words_are_dropped_where_there_are_too_many(
    tmp_path: Path, old: BpeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = " ".join(f"{a}{b}{c}Ж" for a in "bcdfghjk" for b in "lmnpqrst" for c in "vwxzBCDF")
    corpus = corpus_of(tmp_path, "names", f"{'совы ' * 200}{names}{' совы' * 200}")

    def learnt() -> list[bytes]:
        tokenizer, parts = grow_bpe(old, corpus, len(" совы".encode()) - 1)
        return [tokenizer.token_bytes(old.vocab_size + i) for i in range(len(parts))]

    assert "Ж".encode() in learnt()
    monkeypatch.setattr("data.bpe_growth._MAX_WORDS", 100)
    assert "Ж".encode() not in learnt() and " совы".encode() in learnt()


@given(known=st.text(st.characters(codec="utf-8")), more=st.text(st.characters(codec="utf-8")))
def test_new_characters_follow_by_code_point_and_old_ids_stay(known: str, more: str) -> None:
    characters = "".join(sorted(set(known) | {"a"}))
    before = CharacterTokenizer(characters)
    after = before.with_characters(more)
    assert after.characters == characters + "".join(sorted(set(more) - set(characters)))
    assert np.array_equal(after.encode(known), before.encode(known))
    assert after.decode(after.encode(known + more)) == known + more
    again = tokenizer_from_json(after.to_json())
    assert isinstance(again, CharacterTokenizer) and again.characters == after.characters
    assert again.to_json() == after.to_json()


def test_a_second_growth_keeps_the_first() -> None:
    tokenizer = CharacterTokenizer("xyz").with_characters("ba").with_characters(["b", "а", "c"])
    assert tokenizer.characters == "xyzabcа"
    assert tokenizer.with_characters("abc").to_json() == tokenizer.to_json()


def test_a_character_vocabulary_grows_to_its_limit_and_adds_no_surrogates() -> None:
    assert CharacterTokenizer("a").with_characters(["\ud800", "\udfff", "b"]).characters == "ab"
    full = CharacterTokenizer("".join(map(chr, range(0x10000, 0x10000 + MAX_CHARACTERS - 2))))
    assert full.with_characters("zcba").characters[-2:] == "cz"
    assert full.with_characters("zcba").with_characters("d").vocab_size == 2**16
