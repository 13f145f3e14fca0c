"""The technical tokenizer: lossless for every text, and no token reaches into a span from outside."""

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer, min_vocab_size, train_bpe_tokenizer
from data.corpus import open_corpus
from data.document import Message, without_surrogates
from data.errors import TokenizerError, UsageError
from data.tokenizer import SPECIAL_TOKENS, load_tokenizer, tokenizer_from_json

NOTES = r"""# Notes

Write to jane.doe+x@mail.example.org, or see [the page](https://www.example.org/a_(b)/c?d=1&e=2.5#f).

```python
def area(radius: float) -> float:
    if radius < 0:
        raise ValueError("radius")
    return 3.14159 * radius**2
```

````markdown
```sh
curl http://localhost:8080/v1
```
````

The loss is $\sum_{i=1}^{n} x_i^2$, and \[ \frac{a}{b} \] at 1024 tokens; it costs 250 $.

$$
e^{i\pi} = -1
$$
"""
FIXED = ("``", "```", "~~", "~~~", "$$", "\\(", "\\)", "\\[", "\\]")


def trained(folder: Path, text: str, size: int, kind: str = "technical") -> BpeTokenizer:
    path = folder / "notes.txt"
    path.write_text(text, encoding="utf-8")
    return train_bpe_tokenizer(open_corpus([path]), size, kind=kind)


@pytest.fixture(scope="module")
def technical(tmp_path_factory: pytest.TempPathFactory) -> BpeTokenizer:
    return trained(tmp_path_factory.mktemp("text"), NOTES * 60, 600)


@pytest.fixture(scope="module")
def nfkc(tmp_path_factory: pytest.TempPathFactory) -> BpeTokenizer:
    return trained(tmp_path_factory.mktemp("text"), NOTES * 60, 600, "technical:nfkc")


fences = st.sampled_from(
    ["```", "~~~", "````", "``", "`", "```py\n", "\n```\r\n", "$", "$$", r"\[", r"\)", "\\"]
)
addresses = st.sampled_from(
    ["https://a.b/c_(d)?e=1.", "www.x.org", "HTTP://", "http://" + ".,;" * 9, "a.b+c@d.co.uk", "@@"]
)
odd = st.sampled_from(
    [
        *SPECIAL_TOKENS,
        "\r\n",
        "\r",
        "\x00",
        "\ud800",
        "e\u0301\u0323",
        "\u0301" * 40,
        "ﬁ²",
        "\u2028",
        "\ufeff",
        "👩‍💻",
        "\u202e",
    ]
)
runs = st.builds(
    lambda text, count: text * count,
    st.sampled_from([" ", "\t", "\n", "`", "$", "~", "a", "1", ".", "a@", "\\[", "("]),
    st.integers(60, 300),
)
blank = st.text(" \t\n\r\u3000", max_size=9)
pieces = st.one_of(fences, addresses, odd, runs, blank, st.sampled_from(NOTES.split()), st.text(max_size=6))
any_text = st.lists(pieces, max_size=12).map("".join)


@given(text=any_text)
def test_every_text_comes_back(technical: BpeTokenizer, text: str) -> None:
    ids = technical.encode(text)
    assert technical.decode(ids) == without_surrogates(text) == technical.normalize(text)
    assert (ids >= len(SPECIAL_TOKENS)).all()


@given(text=any_text)
def test_with_nfkc_the_form_nfkc_comes_back(nfkc: BpeTokenizer, text: str) -> None:
    plain = nfkc.normalize(text)
    assert nfkc.decode(nfkc.encode(text)) == plain
    assert nfkc.encode(plain).tolist() == nfkc.encode(text).tolist()


@given(text=any_text)
def test_the_library_reads_the_file_and_encodes_alike(
    technical: BpeTokenizer, nfkc: BpeTokenizer, text: str
) -> None:
    for ours in (technical, nfkc):
        library = tokenizers.Tokenizer.from_str(ours.to_json())
        library.encode_special_tokens = True
        ids = ours.encode(text).tolist()
        assert library.encode(without_surrogates(text), add_special_tokens=False).ids == ids
        assert library.decode(ids) == ours.normalize(text)


def borders(tokenizer: BpeTokenizer, text: str) -> set[int]:
    """The places in the bytes of a text where a token begins or ends."""
    return {0, *accumulate(len(tokenizer.token_bytes(token)) for token in tokenizer.encode(text).tolist())}


spans = st.one_of(
    st.sampled_from(
        [
            "https://www.example.org/a_(b)/c?d=1&e=2.5#f",
            "http://localhost:8080/v1",
            "jane.doe+x@mail.example.org",
            "```", "~~~~", "$$", "$", r"\[", r"\)",
        ]
    ),
    st.integers(0, 10**12).map(str),
)  # fmt: skip
before = st.sampled_from(["", " ", "(", "the ", "see:", "\n", "\n    ", "“", "=", "*", "[x]("])
after = st.sampled_from(["", " ", ")", ", and", ".\n", "\n", "”", ".", "!?", "**", "\r\n    x", ") (y)"])


@given(first=before, span=spans, last=after)
def test_no_token_reaches_into_a_span(technical: BpeTokenizer, first: str, span: str, last: str) -> None:
    # A tokenizer that has learned the very neighbourhood would join the two if it were not cut.
    start, end = len(first.encode()), len((first + span).encode())
    assert {start, end} <= borders(technical, first + span + last)


@given(number=st.integers(0, 10**9).map(str), letters=st.sampled_from(["x", "py", "_v", "é", "-", "."]))
def test_a_number_is_cut_from_letters(technical: BpeTokenizer, number: str, letters: str) -> None:
    found = borders(technical, letters + number + letters)
    start = len(letters.encode())
    assert {start, start + len(number)} <= found


def test_what_surrounds_a_span_most_often_is_not_learned_with_it(tmp_path: Path) -> None:
    text = "(see http://a.b/c). mail: <x.y@z.org>; v2.5 costs =$5. x```y\n" * 200
    for kind, is_cut in (("technical", True), ("bpe", False)):
        tokenizer = trained(tmp_path, text, 500, kind)
        tokens = {tokenizer.token_text(i) for i in range(len(SPECIAL_TOKENS), tokenizer.vocab_size)}
        joined = {" http", "=$"} & tokens
        assert not joined if is_cut else joined == {" http", "=$"}
        assert ("```" in tokens) and not {" ```", "x```"} & tokens


def test_the_fixed_tokens_have_the_same_ids_whatever_the_text(
    technical: BpeTokenizer, tmp_path: Path
) -> None:
    other = trained(tmp_path, "Nothing of a program is here.\n" * 40, 320)
    for tokenizer in (technical, other):
        assert [tokenizer.token_text(i) for i in range(len(SPECIAL_TOKENS))] == list(SPECIAL_TOKENS)
        assert [tokenizer.token_text(272 + i) for i in range(len(FIXED))] == list(FIXED)
        assert [tokenizer.encode(token).tolist() for token in FIXED] == [[272 + i] for i in range(len(FIXED))]
    assert SPECIAL_TOKENS[4:11] == (
        "<|system|>", "<|user|>", "<|assistant|>", "<|code|>", "<|/code|>", "<|math|>", "<|/math|>",
    )  # fmt: skip
    assert technical.encode_chat([Message("user", "```")]).tolist() == [2, 5, 273, 3]


def test_indentation_and_fences_are_kept_to_the_character(technical: BpeTokenizer) -> None:
    text = "````c++  \r\n\tif (x)\r\n\t    y();\r\n   \t\r\n````\n```\n```\nopen: ```rust\n        fn"
    assert technical.decode(technical.encode(text)) == text
    shown = [
        technical.token_text(i) for i in technical.encode("```python\n    return\n        raise").tolist()
    ]
    assert shown == ["```", "python", "\n    ", "return", "\n        ", "raise"]


def test_a_long_text_is_the_same_in_pieces(technical: BpeTokenizer, nfkc: BpeTokenizer) -> None:
    rng = np.random.default_rng(0)
    words = [*NOTES.split(" "), "\n", "ﬁ² ", "\n    ", " a@b.org ", "12345 ", "www.x.org/y ", "``` "]
    text = " ".join(rng.choice(words, size=12_000))
    for tokenizer in (technical, nfkc):
        library = tokenizers.Tokenizer.from_str(tokenizer.to_json())
        whole = library.encode(text, add_special_tokens=False).ids
        cut = list(tokenizer.encodable_pieces([text[:50_000], text[50_000:]]))
        assert len(cut) > 3 and "".join(cut) == text
        assert np.concatenate(tokenizer.encode_many(cut)).tolist() == whole
        assert tokenizer.encode(text).tolist() == whole


@pytest.mark.parametrize("part", ["`", "$", "a@a.", "http://a", "(", "\\[", "1", "\u0301", "x" * 50 + "@"])
def test_a_run_of_a_hundred_thousand_characters_comes_back(technical: BpeTokenizer, part: str) -> None:
    text = part * (100_000 // len(part))
    assert technical.decode(technical.encode(text)) == text


def test_nfkc_loses_forms_and_technical_does_not(technical: BpeTokenizer, nfkc: BpeTokenizer) -> None:
    text = "ﬁve m², ½ of Ａ e\u0301"
    assert technical.decode(technical.encode(text)) == text
    assert nfkc.decode(nfkc.encode(text)) == "five m2, 1\u20442 of A \u00e9"
    assert (technical.kind_in_words, nfkc.kind_in_words) == ("technical", "technical:nfkc (lossy)")


def test_the_kind_travels_in_the_file(technical: BpeTokenizer, nfkc: BpeTokenizer, tmp_path: Path) -> None:
    for tokenizer in (technical, nfkc):
        tokenizer.save(tmp_path / "tokenizer.json")
        loaded = load_tokenizer(tmp_path)
        assert loaded.kind == tokenizer.kind and loaded.hash == tokenizer.hash
        assert loaded.encode(NOTES).tolist() == tokenizer.encode(NOTES).tolist()
    assert technical.hash != nfkc.hash


def test_a_grown_tokenizer_keeps_its_kind_and_can_be_shortened(nfkc: BpeTokenizer, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("The ﬂying heron ﬂies. =$5 =$5 " * 60, encoding="utf-8")
    grown, parts = grow_bpe(nfkc, open_corpus([tmp_path / "new.txt"]), 12)
    assert (grown.kind, grown.vocab_size, len(parts)) == ("technical:nfkc", nfkc.vocab_size + 12, 12)
    tokens = {grown.token_text(i) for i in range(nfkc.vocab_size, grown.vocab_size)}
    assert " fl" in tokens and not any("$" in token for token in tokens)
    assert grown.shorten_to(nfkc.vocab_size).hash == nfkc.hash
    with pytest.raises(TokenizerError, match="never had 280 tokens"):
        grown.shorten_to(min_vocab_size("technical") - 1)


def test_a_size_without_room_for_the_fixed_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="280 tokens is out of range for a technical") as caught:
        trained(tmp_path, NOTES, 280)
    assert "from 281 to" in str(caught.value.hint)
    assert trained(tmp_path, NOTES, 281).vocab_size == 281


def changed(tokenizer: BpeTokenizer, *path: Any, value: Any) -> str:
    content = json.loads(tokenizer.to_json())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(content)


def test_a_file_that_was_changed_is_refused(technical: BpeTokenizer) -> None:
    merges = json.loads(technical.to_json())["model"]["merges"]
    moved = changed(technical, "model", "merges", value=[*merges[1:], merges[0]])
    with pytest.raises(TokenizerError, match="first merges"):
        tokenizer_from_json(moved)
    pattern = changed(technical, "pre_tokenizer", "pretokenizers", 0, "pattern", "Regex", value="(a+)+$")
    with pytest.raises(TokenizerError, match="'pre_tokenizer' is not what rlm writes"):
        tokenizer_from_json(pattern)
    with pytest.raises(TokenizerError, match="is not what rlm writes"):
        tokenizer_from_json(changed(technical, "normalizer", value={"type": "NFC"}))
