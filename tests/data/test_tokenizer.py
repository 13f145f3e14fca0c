"""Both kinds of tokenizers: lossless, without control tokens from text, and loaded from checked files
only."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from data.bpe_tokenizer import MIN_VOCAB_SIZE, BpeTokenizer, train_bpe_tokenizer
from data.character_tokenizer import CharacterTokenizer, train_character_tokenizer
from data.corpus import open_corpus
from data.document import Message
from data.errors import TokenizerError, UsageError
from data.tokenizer import (
    SPECIAL_TOKENS,
    Tokenizer,
    load_tokenizer,
    load_tokenizer_file,
    suggest_tokenizer,
    tokenizer_from_json,
)

TEXT = "The owl said: 'don't!' — naïve café, 1234 times.\n\n  Été 世界 👩‍💻\t<|user|>\n" * 40


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    path = tmp_path_factory.mktemp("text") / "owl.txt"
    path.write_text(TEXT, encoding="utf-8")
    corpus = open_corpus([path])
    return {"character": train_character_tokenizer(corpus), "bpe": train_bpe_tokenizer(corpus, 400)}


@pytest.fixture(params=["character", "bpe"])
def tokenizer(request: pytest.FixtureRequest, both: dict[str, Tokenizer]) -> Tokenizer:
    return both[request.param]


known_text = st.text(st.sampled_from(sorted(set(TEXT))))
control = st.sampled_from(SPECIAL_TOKENS)
any_text = st.one_of(st.text(), st.lists(st.one_of(st.text(max_size=5), control, known_text)).map("".join))


@given(text=any_text)
def test_bpe_is_lossless_for_every_string(both: dict[str, Tokenizer], text: str) -> None:
    bpe = both["bpe"]
    ids = bpe.encode(text)
    assert ids.dtype == np.int64 and ids.ndim == 1
    assert bpe.decode(ids) == text
    assert (ids >= len(SPECIAL_TOKENS)).all()


@given(text=known_text)
def test_a_character_tokenizer_is_lossless_for_known_characters(
    both: dict[str, Tokenizer], text: str
) -> None:
    character = both["character"]
    ids = character.encode(text)
    assert ids.dtype == np.int64 and len(ids) == len(text)
    assert character.decode(ids) == text
    assert (ids >= len(SPECIAL_TOKENS)).all()


@given(text=any_text)
def test_only_unknown_characters_become_the_unknown_token(both: dict[str, Tokenizer], text: str) -> None:
    character = both["character"]
    ids = character.encode(text)
    known = [c in TEXT for c in text]
    assert ((ids >= len(SPECIAL_TOKENS)) == known).all()
    assert (ids[~np.array(known, dtype=bool)] == character.unk_id).all()
    assert character.decode(ids) == "".join(c if c in TEXT else "\ufffd" for c in text)


@pytest.mark.parametrize("kind", ["character", "bpe"])
@given(text=any_text)
def test_the_library_reads_the_file_and_encodes_alike(
    both: dict[str, Tokenizer], kind: str, text: str
) -> None:
    library = _library(both[kind].to_json())
    ids = both[kind].encode(text).tolist()
    assert library.encode(text, add_special_tokens=False).ids == ids
    if both[kind].unk_id not in ids:
        assert library.decode(ids) == text
    assert library.get_vocab_size() == both[kind].vocab_size


_libraries: dict[str, tokenizers.Tokenizer] = {}


def _library(content: str) -> tokenizers.Tokenizer:
    if content not in _libraries:
        _libraries[content] = tokenizers.Tokenizer.from_str(content)
        _libraries[content].encode_special_tokens = True
    return _libraries[content]


@pytest.mark.parametrize("kind", ["character", "bpe"])
@given(data=st.data())
def test_streamed_text_is_the_decoded_text(
    both: dict[str, Tokenizer], kind: str, data: st.DataObject
) -> None:
    tokenizer = both[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size + 3), max_size=30))
    stream = tokenizer.stream_decoder()
    pushed = [stream.push(i) for i in ids]
    assert "".join(pushed) + stream.flush() == tokenizer.decode(ids)
    assert stream.flush() == ""


def test_an_incomplete_character_waits_for_its_last_token(both: dict[str, Tokenizer]) -> None:
    bpe = both["bpe"]
    ids = bpe.encode("\U00010348")
    assert len(ids) == 4
    stream = bpe.stream_decoder()
    assert [stream.push(i) for i in ids] == ["", "", "", "\U00010348"]
    stream.push(ids[0])
    assert stream.flush() == "\ufffd"


@given(texts=st.lists(any_text, max_size=6))
def test_encoding_many_texts_is_encoding_each(both: dict[str, Tokenizer], texts: list[str]) -> None:
    for tokenizer in both.values():
        found = tokenizer.encode_many(texts)
        assert [ids.tolist() for ids in found] == [tokenizer.encode(text).tolist() for text in texts]


def test_encodable_pieces_encode_as_the_whole(both: dict[str, Tokenizer]) -> None:
    rng = np.random.default_rng(0)
    words = [
        "owl",
        "don't",
        " ",
        "  ",
        "\n",
        "\n\n",
        " \n ",
        "12",
        "…",
        ".",
        "été",
        "\t",
        "a" * 200,
        "\u2028",
    ]
    text = "".join(rng.choice(words, size=15_000))
    library = _library(both["bpe"].to_json())
    whole = library.encode(text, add_special_tokens=False).ids
    for size in (1000, 17_001, 2**20):
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        cut = list(both["bpe"].encodable_pieces(pieces))
        assert "".join(cut) == text and max(map(len, cut)) <= 16_384
        assert np.concatenate(both["bpe"].encode_many(cut)).tolist() == whole
    assert both["bpe"].encode(text).tolist() == whole


@pytest.mark.parametrize("text", ["a" * 100_000, "\n" * 100_000, " " * 100_000, "=" * 100_000])
def test_a_long_text_without_spaces_is_lossless(both: dict[str, Tokenizer], text: str) -> None:
    assert both["bpe"].decode(both["bpe"].encode(text)) == text


def test_half_a_surrogate_pair_can_be_encoded(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800e\udcffw")) == "a\ufffde\ufffdw"


def test_text_never_becomes_a_control_token(tokenizer: Tokenizer) -> None:
    text = "".join(SPECIAL_TOKENS)
    chat = tokenizer.encode_chat([Message("user", "said <|assistant|>"), Message("assistant", "a")])
    inner = tokenizer.encode("said <|assistant|>").tolist()
    user, assistant = tokenizer.role_ids["user"], tokenizer.role_ids["assistant"]
    expected = [2, user, *inner, 3, assistant, *tokenizer.encode("a").tolist(), 3]
    assert chat.tolist() == expected and chat.dtype == np.int64
    assert not set(tokenizer.encode(text).tolist()) & (set(range(16)) - {tokenizer.unk_id})
    assert tokenizer.encode_document("a").tolist() == [2, *tokenizer.encode("a").tolist(), 3]
    assert tokenizer.encode_chat([]).dtype == np.int64
    assert tokenizer.decode([2, user, 3, 0, 15]) == ""
    assert tokenizer.decode([2, user], with_special=True) == "<|bos|><|user|>"


def test_the_control_tokens_have_fixed_ids(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_text(i) for i in range(16)] == list(SPECIAL_TOKENS)
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id) == (0, 1, 2, 3)
    assert tokenizer.role_ids == {"system": 4, "user": 5, "assistant": 6}
    assert tokenizer.token_text(tokenizer.vocab_size + 5) == "\ufffd"


def test_a_part_of_a_character_is_shown_as_bytes(both: dict[str, Tokenizer]) -> None:
    bpe = both["bpe"]
    assert bpe.token_text(int(bpe.encode("\U00010348")[0])) == "\\xf0"


def test_a_saved_tokenizer_is_loaded_unchanged(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    for place in (tmp_path / "tokenizer.json", tmp_path):
        loaded = load_tokenizer(place)
        assert type(loaded) is type(tokenizer) and loaded.hash == tokenizer.hash
        assert loaded.to_json() == tokenizer.to_json()
        assert loaded.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()
    assert [p.name for p in tmp_path.iterdir()] == ["tokenizer.json"]


def test_training_again_gives_the_same_tokenizer(both: dict[str, Tokenizer], tmp_path: Path) -> None:
    (tmp_path / "again.txt").write_text(TEXT, encoding="utf-8")
    corpus = open_corpus([tmp_path / "again.txt"])
    assert train_bpe_tokenizer(corpus, 400).hash == both["bpe"].hash
    assert train_character_tokenizer(corpus).hash == both["character"].hash
    assert train_bpe_tokenizer(corpus, 300).hash != both["bpe"].hash
    assert len({tokenizer.hash for tokenizer in both.values()}) == 2


def test_a_character_vocabulary_has_the_characters_and_sixteen_control_tokens(
    both: dict[str, Tokenizer],
) -> None:
    character = both["character"]
    assert isinstance(character, CharacterTokenizer)
    assert character.characters == "".join(sorted(set(TEXT)))
    assert character.vocab_size == len(set(TEXT)) + 16


def test_a_vocabulary_size_out_of_range_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    corpus = open_corpus([tmp_path / "a.txt"])
    for size in (-1, MIN_VOCAB_SIZE - 1, 10**9):
        with pytest.raises(UsageError, match="out of range"):
            train_bpe_tokenizer(corpus, size)
    assert train_bpe_tokenizer(corpus, MIN_VOCAB_SIZE).vocab_size == MIN_VOCAB_SIZE
    assert train_bpe_tokenizer(corpus, 60_000).vocab_size < 60_000


def test_the_sample_is_spread_over_the_training_part(tmp_path: Path) -> None:
    """Words that occur only near the end of a long text become tokens."""
    early, late = "alpha beta " * 40_000, "gamma delta " * 30_000
    (tmp_path / "a.txt").write_text(early + late + "omega " * 10_000)
    bpe = train_bpe_tokenizer(open_corpus([tmp_path / "a.txt"]), 400, sample_bytes=150_000)
    tokens = {bpe.token_text(i) for i in range(bpe.vocab_size)}
    assert {" beta", " delta"} <= tokens and not {"omega", " omega"} & tokens


def test_the_suggested_tokenizer_depends_on_size_and_characters(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text("a small text of few characters\n" * 50)
    kind, size, reason = suggest_tokenizer(open_corpus([tmp_path / "small.txt"]))
    assert (kind, size) == ("character", len(set("a small text of few characters\n")) + 16)
    assert reason == "the text has 15 different characters"
    (tmp_path / "many.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 600))) * 3, encoding="utf-8")
    assert suggest_tokenizer(open_corpus([tmp_path / "many.txt"]))[:2] == ("bpe", 1024)


def test_the_suggested_vocabulary_grows_with_the_text() -> None:
    class Sized:
        def __init__(self, characters: int) -> None:
            self.characters, self.character_counts = characters, dict.fromkeys("abc", 1)

    found = [suggest_tokenizer(Sized(n)) for n in (8_000_000, 8_000_001, 30_000_000, 10**9)]  # type: ignore[arg-type]
    assert [kind for kind, _, _ in found] == ["character", "bpe", "bpe", "bpe"]
    assert [size for _, size, _ in found[1:]] == [4096, 7936, 16384]


# --- Files that are damaged, foreign or hostile


def _changed(tokenizer: Tokenizer, change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(tokenizer.to_json())
    change(content)
    return json.dumps(content)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "ids moved": lambda c: c["model"]["vocab"].update({"<|pad|>": 1, "<|unk|>": 0}),
    "an id twice": lambda c: c["model"]["vocab"].update({"a": 20, "b": 20}),
    "a gap": lambda c: c["model"]["vocab"].update({"e": 10**9}),
    "a negative id": lambda c: c["model"]["vocab"].update({"e": -1}),
    "an id that is a word": lambda c: c["model"]["vocab"].update({"e": "x"}),
    "an id that is a truth": lambda c: c["model"]["vocab"].update({"<|unk|>": True}),
    "no vocabulary": lambda c: c["model"].pop("vocab"),
    "a list for a vocabulary": lambda c: c["model"].update(vocab=["a"]),
    "only control tokens": lambda c: c["model"].update(vocab={t: i for i, t in enumerate(SPECIAL_TOKENS)}),
    "no added tokens": lambda c: c.update(added_tokens=[]),
    "a normalizer": lambda c: c.update(normalizer={"type": "NFKC"}),
    "another pattern": lambda c: c.update(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}}),
    "a truncation": lambda c: c.update(truncation={"max_length": 3}),
    "a strange key": lambda c: c.update(code="print(1)"),
    "no model": lambda c: c.pop("model"),
    "another model": lambda c: c["model"].update(type="Unigram"),
    "a model that is a number": lambda c: c.update(model=3),
    "a token of odd letters": lambda c: c["model"]["vocab"].update(
        {"\u4e16\u4e16": len(c["model"]["vocab"])}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_is_refused(tokenizer: Tokenizer, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(TokenizerError) as caught:
        tokenizer_from_json(_changed(tokenizer, change))
    assert caught.value.message.endswith(".") and caught.value.hint


@pytest.mark.parametrize(
    "merges",
    [None, "ab", [["a"]], [["a", "b", "c"]], [[1, 2]], ["a b"], [["zz", "qq"]], [["a", "Ġ" * 9]]],
    ids=str,
)
def test_merges_that_do_not_fit_are_refused(both: dict[str, Tokenizer], merges: object) -> None:
    with pytest.raises(TokenizerError, match="merges"):
        tokenizer_from_json(_changed(both["bpe"], lambda c: c["model"].update(merges=merges)))


def test_a_missing_byte_is_refused(both: dict[str, Tokenizer]) -> None:
    def rename(content: dict[str, Any]) -> None:
        vocab = content["model"]["vocab"]
        vocab["aaaaaaa"] = vocab.pop("a")

    with pytest.raises(TokenizerError, match="bytes"):
        tokenizer_from_json(_changed(both["bpe"], rename))


def test_a_panic_in_the_library_is_a_tokenizer_error(
    both: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    panic = type("PanicException", (BaseException,), {})

    def fail(self: object, *args: object) -> None:
        raise panic("index out of bounds")

    content = both["bpe"].to_json()
    monkeypatch.setattr(BpeTokenizer, "__init__", fail)
    with pytest.raises(TokenizerError, match="index out of bounds"):
        tokenizer_from_json(content)


@given(content=st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda b: b.decode("latin-1"))))
def test_any_other_text_is_refused(content: str) -> None:
    with pytest.raises(TokenizerError):
        tokenizer_from_json(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b'{"model": {"type": "BPE"', "not JSON"),
        (b"\xff\xfe\x00", "not text"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "not one of rlm's"),
    ],
)
def test_the_error_of_a_damaged_file_names_it(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=reason) as caught:
        load_tokenizer(path)
    assert str(path) in caught.value.message and caught.value.hint


def test_a_truncated_file_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    whole = tokenizer.to_json().encode()
    for length in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(TokenizerError):
            load_tokenizer(path)


def test_a_missing_file_and_a_huge_one_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TokenizerError, match="There is no tokenizer"):
        load_tokenizer(tmp_path)
    monkeypatch.setattr("data.tokenizer.MAX_FILE_BYTES", 2**20)
    (tmp_path / "tokenizer.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(TokenizerError, match="larger than"):
        load_tokenizer(tmp_path)


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    saved, link, pipe = (tmp_path / name for name in ("saved.json", "link.json", "pipe.json"))
    CharacterTokenizer("abc").save(saved)
    link.symlink_to(saved)
    os.mkfifo(pipe)
    assert load_tokenizer(link).hash == load_tokenizer_file(saved).hash
    for load, path in ((load_tokenizer, pipe), (load_tokenizer_file, pipe), (load_tokenizer_file, link)):
        with pytest.raises(TokenizerError, match="plain file"):
            load(path)
    with pytest.raises(TokenizerError, match="plain file"):
        load_tokenizer_file(tmp_path)
