"""Every document of a mix is trained on, held out, or dropped by a name."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.bpe_tokenizer import train_bpe_tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.errors import CorpusError, RlmError, UsageError
from data.mixes import spool as spooling
from data.mixes.mix_file import load_mix
from data.mixes.mixed_corpus import MixedCorpus, scan_mix
from data.mixes.prepared import prepare_mix
from data.mixes.rows import BrokenRow, Row, Rows
from data.mixes.spec import MixSource, mix_of
from data.progress import result_of
from data.tokenizer import SPECIAL_TOKENS
from tests.data.mixes.four_tables import HELD_OUT, Tables


def scan(*sources: MixSource) -> MixedCorpus:
    return result_of(scan_mix(mix_of("mix", sources)))


def texts(mix: MixedCorpus, part: int, split: str) -> list[str]:
    found = mix.mix[part].corpus.split_documents()
    return ["".join(document.pieces or ()) for of, document in found if of == split]


def error_of(*sources: MixSource) -> RlmError:
    with pytest.raises(RlmError) as caught:
        scan(*sources)
    assert "\n" not in caught.value.message
    return caught.value


def test_four_layouts_give_the_documents_of_their_rows(tables: Tables) -> None:
    mix = result_of(scan_mix(load_mix(str(tables.mix))))
    assert [part.source.name for part in mix.mix] == list(tables.documents)
    assert [part.share for part in mix.mix] == [0.4, 0.3, 0.15, 0.15]
    for number, documents in enumerate(tables.documents.values()):
        assert texts(mix, number, "validation") == documents[:HELD_OUT]
        assert texts(mix, number, "train") == documents[HELD_OUT:]
    assert mix.characters == sum(len(one) for found in tables.documents.values() for one in found)
    assert mix.notes == ()


def test_characters_in_are_those_trained_and_held_out(tables: Tables) -> None:
    mix = result_of(scan_mix(load_mix(str(tables.mix))))
    tokenizer = train_character_tokenizer(mix)
    data = result_of(prepare_mix(mix, tokenizer))
    for one, documents in zip(data.sources, tables.documents.values(), strict=True):
        train, held_out = (tokenizer.decode(np.asarray(part)) for part in (one.train, one.validation))
        assert train == "".join(documents[HELD_OUT:])  # packed one after another, nothing cut off
        assert held_out == "".join(documents[:HELD_OUT])
        controls = Counter(int(token) for token in one.train if token < len(SPECIAL_TOKENS))
        number = len(documents) - HELD_OUT
        assert controls == {tokenizer.bos_id: number, tokenizer.eos_id: number}
    assert data.unknown_characters == 0


def test_what_is_dropped_is_counted_by_its_name(tmp_path: Path) -> None:
    rows = [
        {"question": f"how many apples are in basket number {n}", "answer": f"there are {n} of them in it"}
        for n in range(30)
    ]
    lost: list[dict[str, object]] = [
        {"question": "no answer here", "answer": None},
        {"question": "see https://example.org for all of them", "answer": "that is where the others are"},
        {"question": "", "answer": ""},
    ]
    path = tmp_path / "rows.jsonl"
    lines = [*map(json.dumps, [*rows[:5], *lost, *rows[5:]]), "{broken"]
    path.write_text("\n".join(lines), encoding="utf-8")
    mix = scan(
        MixSource(
            name="rows", weight=1, path=str(path), columns=("question", "answer"), filter=("url",), held_out=3
        )
    )
    dropped = {one.filter: (one.count, one.characters) for one in mix.mix[0].corpus.dropped}
    assert dropped == {
        "rows without 'answer'": (1, len("no answer here")),
        "url": (1, len("".join(map(str, lost[1].values()))) + 2),
        "empty documents": (1, 0),
        "broken records": (1, 0),
    }
    kept = [f"{row['question']}\n\n{row['answer']}" for row in rows]
    assert texts(mix, 0, "validation") + texts(mix, 0, "train") == kept
    assert mix.characters == len("".join(kept))
    assert len(mix.notes) == 4


def test_a_row_without_columns_is_read_by_its_form(tmp_path: Path) -> None:
    path = tmp_path / "chats.csv"
    path.write_text("prompt,response\n" + 'a,"b ""b"""\n' * 3 + "c,007\n", encoding="utf-8")
    (part,) = scan(MixSource(name="chats", weight=1, path=str(path))).mix
    assert part.corpus.kind == "messages"
    documents = [document.messages or () for _, document in part.corpus.split_documents()]
    assert [message.content for message in documents[0]] == ["a", 'b "b"']
    assert [message.content for message in documents[3]] == ["c", "007"]  # as written, not the number 7


def test_a_source_that_fails_half_way_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "SHARD_BYTES", 400)
    path = tmp_path / "rows.jsonl"
    rows = [{"a": f"number {n} of the rows"} for n in range(200)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    source = MixSource(name="rows", weight=1, path=str(path), columns=("a",))
    whole = scan(source)
    (tmp_path / "cache").rename(tmp_path / "other")
    opened, reads = spooling.open_rows, list[int]()

    def gone_after(rows_before: int) -> None:
        def open_rows(source: MixSource, needed: tuple[str, ...], skip: int = 0) -> Rows:
            found = opened(source, needed, skip)

            def failing() -> Iterator[Row | BrokenRow]:
                reads.append(skip)
                for number, row in enumerate(found.rows, start=skip):
                    if number == rows_before:
                        raise ConnectionError("reset by peer")
                    yield row

            return replace(found, rows=failing())

        monkeypatch.setattr(spooling, "open_rows", open_rows)

    gone_after(90)
    message = error_of(source).message
    assert message == "Source 'rows' stopped after 90 rows. The network is gone."
    gone_after(150)
    error_of(source)
    assert 0 < reads[1] <= 90
    gone_after(10**9)
    again = scan(source)
    assert reads[1] < reads[2] <= 150
    assert again.content_hash == whole.content_hash
    assert texts(again, 0, "train") == texts(whole, 0, "train") == [row["a"] for row in rows[20:]]
    scan(source)
    assert len(reads) == 3  # all of it is in the cache


@pytest.mark.parametrize("last", [{"a": ["x"]}, {"b": "y"}])
def test_rows_of_another_form_do_not_end_a_source_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: dict[str, object]
) -> None:
    monkeypatch.setattr(spooling, "SHARD_BYTES", 1)  # a shard for each row
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "\n".join(json.dumps(row) for row in [*({"a": f"row {n}"} for n in range(5)), last, last])
    )
    source = MixSource(name="rows", weight=1, path=str(path), columns=("a",))
    opened = spooling.open_rows

    def open_rows(source: MixSource, needed: tuple[str, ...], skip: int = 0) -> Rows:
        found = opened(source, needed, skip)

        def failing() -> Iterator[Row | BrokenRow]:
            for number, row in enumerate(found.rows, start=skip):
                if number == 5 and not skip:
                    raise ConnectionError("reset by peer")
                yield row

        return replace(found, rows=failing())

    monkeypatch.setattr(spooling, "open_rows", open_rows)
    assert "stopped after 5 rows" in error_of(source).message
    (part,) = scan(source).mix
    assert part.corpus.documents == 5
    assert [(one.filter, one.count) for one in part.corpus.dropped] == [("rows without 'a'", 2)]


def test_all_sources_are_opened_before_one_is_read(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[str]()
    monkeypatch.setattr(spooling._Writer, "write", lambda self: read.append(self.source.name))
    path = str(tables.folder / "gsm.parquet")
    good = MixSource(name="good", weight=1, path=path, columns=("question",))
    for bad in (replace(good, name="bad", columns=("none",)), replace(good, name="bad", path="/none.csv")):
        error_of(good, bad)
    assert read == []
    assert not any((tmp_path / "cache").rglob("*.jsonl"))


def test_only_so_many_documents_are_taken(tables: Tables) -> None:
    (part,) = scan(
        MixSource(
            name="gsm", weight=1, path=str(tables.folder / "gsm.parquet"), columns=("question",), documents=25
        )
    ).mix
    assert part.corpus.documents == 25
    assert part.corpus.held_out == 2


def test_a_plain_text_holds_out_its_last_tenth_or_its_first_files(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.txt").write_text(f"letter {number} " * 50, encoding="utf-8")
    (part,) = scan(MixSource(name="letters", weight=1, path=str(folder))).mix
    assert part.corpus.held_out is None
    mix = scan(MixSource(name="letters", weight=1, path=str(folder), held_out=1))
    assert texts(mix, 0, "validation") == ["letter 0 " * 50]
    assert len(texts(mix, 0, "train")) == 3


def test_tokenizers_are_made_from_all_sources_in_their_shares(tmp_path: Path) -> None:
    long, short = tmp_path / "long.txt", tmp_path / "short.txt"
    long.write_text("abcd " * 100_000, encoding="utf-8")
    short.write_text("wxyz " * 4_000, encoding="utf-8")
    sources = [MixSource(name=path.stem, weight=1, path=str(path)) for path in (long, short)]
    mix = scan(*sources)
    assert mix.character_counts["w"] == pytest.approx(mix.character_counts["a"], rel=0.01)
    sample = "".join(mix.sample(200_000))
    assert sample.count("a") == pytest.approx(sample.count("w"), rel=0.25)
    assert sample == "".join(mix.sample(200_000))
    assert train_bpe_tokenizer(mix, 300).vocab_size <= 300


def test_weights_do_not_make_new_tokens(tables: Tables) -> None:
    path = str(tables.folder / "gsm.parquet")
    one, other = (
        scan(
            MixSource(name="a", weight=weight, path=path, columns=("question",)),
            MixSource(name="b", weight=1, path=path, columns=("code",)),
        )
        for weight in (1, 3)
    )
    tokenizer = train_character_tokenizer(one)
    first, second = (result_of(prepare_mix(mix, tokenizer)) for mix in (one, other))
    assert [data.path for data in first.sources] == [data.path for data in second.sources]
    assert one.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"columns": ("answer",)}, "There is no column 'answer' in source 'gsm'."),
        ({"template": "{question} {answer}"}, "names 'answer', and there is no such column."),
    ],
)
def test_a_missing_column_names_those_there_are(
    tables: Tables, more: dict[str, object], message: str
) -> None:
    error = error_of(
        MixSource(name="gsm", weight=1, path=str(tables.folder / "gsm.parquet"), **more)  # type: ignore[arg-type]
    )
    assert isinstance(error, CorpusError) and error.message.endswith(message)
    assert error.hint == "There are 'question', 'code'."


def test_a_column_that_no_record_has_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x"}\n{"a": "y", "b": "z"}\n', encoding="utf-8")
    error = error_of(MixSource(name="rows", weight=1, path=str(path), columns=("c",)))
    assert error.message == "There is no column 'c' in source 'rows'."
    assert "'a'" in str(error.hint)


def test_a_column_of_lists_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": ["x", "y"]}\n', encoding="utf-8")
    error = error_of(MixSource(name="rows", weight=1, path=str(path), columns=("a",)))
    assert error.message == "Column 'a' of source 'rows' holds lists, and no text."


def test_what_cannot_be_a_source_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("some text " * 100, encoding="utf-8")
    (tmp_path / "b.txt").write_text("some text " * 100, encoding="utf-8")
    missing = error_of(MixSource(name="a", weight=1, path=str(tmp_path / "none.parquet")))
    assert isinstance(missing, UsageError) and "There is no file or folder" in missing.message
    columns = error_of(MixSource(name="a", weight=1, path=str(text), columns=("text",)))
    assert columns.message == "Source 'a' is plain text, which has no rows for its 'columns'."
    twice = error_of(
        MixSource(name="a", weight=1, path=str(text)),
        MixSource(name="b", weight=1, path=str(tmp_path / "b.txt")),
    )
    assert twice.message == "Sources 'a' and 'b' hold the same text."
    whole = tmp_path / "few.jsonl"
    whole.write_text('{"text": "one"}\n{"text": "two"}\n', encoding="utf-8")
    held = error_of(MixSource(name="few", weight=1, path=str(whole), held_out=2))
    assert held.message == "In source 'few': 'few' has 2 documents, and 2 are held out."


def test_an_excerpt_is_in_the_shares_of_the_mix(tables: Tables) -> None:
    mix = result_of(scan_mix(load_mix(str(tables.mix))))
    data = result_of(prepare_mix(mix, train_character_tokenizer(mix)))
    excerpt = data.excerpt(1000, 10**9)
    assert len(excerpt.train) == 1000
    shares = [part.share for part in mix.mix]
    whole = min(len(one.validation) / share for one, share in zip(data.sources, shares, strict=True))
    for one, share in zip(data.sources, shares, strict=True):
        length = round(share * whole)
        found = one.validation[:length]
        assert any(
            np.array_equal(excerpt.validation[at : at + length], found)
            for at in range(len(excerpt.validation) - length + 1)
        )
    assert len(excerpt.validation) == pytest.approx(whole, abs=4)


def test_a_source_that_is_too_short_is_named(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("some text " * 100, encoding="utf-8")
    (tmp_path / "short.txt").write_text("ab", encoding="utf-8")
    mix = scan(
        *(MixSource(name=name, weight=1, path=str(tmp_path / f"{name}.txt")) for name in ("long", "short"))
    )
    with pytest.raises(
        CorpusError, match="Source 'short' is too short: it has 1 token to learn from, and 1 to"
    ):
        result_of(prepare_mix(mix, train_character_tokenizer(mix)))


def test_a_row_of_another_form_is_left_out_after_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "one"}\n{"a": ["x"]}\n{"a": NaN}\n{"a": "two"}\n{"a": {"b": 1}}\n{"a": 3}\n')
    (part,) = scan(MixSource(name="rows", weight=1, path=str(path), columns=("a",))).mix
    assert part.corpus.documents == 3
    assert [(one.filter, one.count) for one in part.corpus.dropped] == [("rows without 'a'", 3)]


def test_a_text_that_a_filter_empties_takes_no_held_out_place(tmp_path: Path) -> None:
    for name, text in (("a", "see https://a.b/c\n"), ("b", "all of b\n"), ("c", "all of c\n")):
        (tmp_path / f"{name}.txt").write_text(text * 9)
    mix = scan(MixSource(name="texts", weight=1, path=str(tmp_path), filter=("url",), held_out=1))
    assert [texts(mix, 0, split) for split in ("validation", "train")] == [
        ["all of b\n" * 9],
        ["all of c\n" * 9],
    ]


def test_a_folder_in_the_form_of_a_data_set_is_read_again_when_it_changed(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    mix = tmp_path / "mix.toml"
    mix.write_text("[[source]]\ndataset = './local'\nweight = 1\ncolumns = 'text'\n")
    for number in (3, 5):
        (folder / "train.csv").write_text("text\n" + "".join(f"line {n} of it\n" for n in range(number)))
        found = result_of(scan_mix(load_mix(str(mix))))
        assert found.mix[0].source.dataset == str(folder)
        assert found.documents == number
