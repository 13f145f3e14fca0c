"""Filters over a corpus: what was read is trained on, held out, or dropped by a filter that is named."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.bpe_tokenizer import train_bpe_tokenizer
from data.corpus import Corpus, open_corpus
from data.document import Split
from data.errors import CorpusError
from data.prepare import prepare
from data.progress import result_of

LONG = "The river ran past the mill and the miller's daughter sat by it with her book."
lines = st.sampled_from(
    [LONG, LONG + " It was late.", "Yes.", "", "see https://a.b/c", "a ------------- b", *map(str, range(8))]
)
choices = st.lists(
    st.sampled_from(["url", "symbols", "duplicates", "near-duplicates", "length:1-", "words:2"]), max_size=4
)


def parts(corpus: Corpus) -> dict[Split, list[str]]:
    found: dict[Split, list[str]] = {"train": [], "validation": []}
    for split, document in corpus.split_documents():
        texts = document.pieces or (message.content for message in document.messages or ())
        found[split].append("".join(texts))
    return found


def size(texts: Sequence[str]) -> int:
    return sum(map(len, texts))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(lines, min_size=5, max_size=20), min_size=1, max_size=3),
    names=choices,
    form=st.sampled_from(["txt", "jsonl", "both"]),
)
def test_every_character_is_learned_held_out_or_dropped_by_a_named_filter(
    files: list[list[str]], names: list[str], form: str, tmp_path: Path
) -> None:
    paths = []
    for number, texts in enumerate(files):
        ending = {"txt": "txt", "jsonl": "jsonl", "both": ("txt", "jsonl")[number % 2]}[form]
        path = tmp_path / f"{number}.{ending}"
        records = (json.dumps({"prompt": text, "completion": "It is."}) + "\n" for text in texts)
        path.write_text("\n".join(texts) + "\n" if ending == "txt" else "".join(records))
        paths.append(path)
    try:
        whole, corpus = open_corpus(paths), open_corpus(paths, filters=names)
    except CorpusError:  # one character, or nothing, is left
        return
    found = parts(corpus)
    assert size(found["train"]) + size(found["validation"]) == corpus.characters
    assert corpus.characters + sum(one.characters for one in corpus.dropped) == whole.characters
    assert sum(corpus.character_counts.values()) == corpus.characters
    assert {one.filter for one in corpus.dropped} <= set(names) == set(corpus.filters)
    assert parts(corpus) == found
    # What nobody takes is filtered all the same, so that what follows is compared with it.
    taken = ["".join(document.pieces or ()) for document in corpus.documents_of("train")]
    if corpus.kind == "text":
        assert taken == found["train"]
    same = not corpus.dropped
    assert (corpus.content_hash == whole.content_hash) == same


def test_a_duplicate_is_never_held_out_of_what_is_learned(tmp_path: Path) -> None:
    lines = [f"{LONG} Page {number % 40}." for number in range(400)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    for name in ("a.txt", "a.jsonl"):
        plain = parts(open_corpus([tmp_path / name]))
        found = parts(open_corpus([tmp_path / name], filters=["duplicates"]))
        texts = {split: set("\n".join(part).split("\n")) - {""} for split, part in found.items()}
        before = {split: set("\n".join(part).split("\n")) - {""} for split, part in plain.items()}
        assert before["train"] & before["validation"]
        assert not texts["train"] & texts["validation"]
        assert size(found["validation"]) > 0


def test_lines_of_texts_and_documents_of_records_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{LONG}\nsee www.a.org\n{LONG[4:]}\n" * 3)
    (tmp_path / "b.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in (LONG, f"{LONG}\nwww.b.org", LONG[9:], "x y"))
    )
    corpus = open_corpus([tmp_path / "a.txt", tmp_path / "b.jsonl"], filters=["url"])
    assert [(one.filter, one.unit, one.count) for one in corpus.dropped] == [
        ("url", "line", 3),
        ("url", "document", 1),
    ]
    assert corpus.documents == 1 + 3
    assert "The filters dropped 3 lines and 1 document, " in corpus.notes[-1]


def test_a_file_that_is_skipped_or_read_twice_leaves_no_trace(tmp_path: Path) -> None:
    accented = f"{LONG} Déjà vu.\n"
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_bytes((accented * 2 + "Été à la mer, dès l'aube.\n" * 40).encode("cp1252"))
    (folder / "b.jsonl").write_bytes(json.dumps({"text": LONG + LONG}).encode() + b"\n{\n{\n{\n")
    (folder / "c.jsonl").write_text("".join(json.dumps({"text": LONG * n}) + "\n" for n in (1, 2, 3, 4)))
    corpus = open_corpus([folder], filters=["duplicates"])
    assert any("1 file skipped" in note for note in corpus.notes)
    assert sum(map(size, parts(corpus).values())) == corpus.characters
    assert [one.count for one in corpus.dropped] == [40]  # of a.txt, once; b.jsonl is no duplicate of c.jsonl


def test_filters_that_drop_everything_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("see https://a.b/c\n" * 30)
    with pytest.raises(CorpusError, match=r"dropped 30 lines, 100 % of the text: url 30") as raised:
        open_corpus([tmp_path / "a.txt"], filters=["url"])
    assert raised.value.field == "filters"


def test_a_text_without_line_ends_is_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.filters.corpus_filters._LONGEST_LINE", 1000)
    monkeypatch.setattr("data.text_reader._PIECE_BYTES", 700)
    (tmp_path / "a.txt").write_text("word " * 2000)
    corpus = open_corpus([tmp_path / "a.txt"], filters=["url"])
    assert corpus.characters == 10_000 and not corpus.dropped


def test_the_tokens_are_those_of_what_is_kept(tmp_path: Path) -> None:
    kept = [f"{LONG} Page {number}.\n" for number in range(60)]
    (tmp_path / "kept.txt").write_text("".join(kept))
    mixed = "".join(f"{line}see https://a.b/{number}\n" for number, line in enumerate(kept))
    (tmp_path / "mixed.txt").write_text(mixed)
    clean, corpus = (
        open_corpus([tmp_path / "kept.txt"]),
        open_corpus([tmp_path / "mixed.txt"], filters=["url"]),
    )
    assert clean.content_hash == corpus.content_hash != open_corpus([tmp_path / "mixed.txt"]).content_hash
    tokenizer = train_bpe_tokenizer(corpus, 300)
    data = result_of(prepare(corpus, tokenizer, tmp_path / "cache"))
    text = tokenizer.decode(data.train) + tokenizer.decode(data.validation)
    assert text == "".join(kept)
