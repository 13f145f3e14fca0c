"""Every format that files of texts have: what is read of it, and what is counted."""

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import Corpus, open_corpus
from data.csv_rows import csv_rows
from data.errors import CorpusError
from data.json_values import Broken
from data.records import read_record

ROWS: list[dict[str, Any]] = [
    {"question": f"Which number\nfollows, say, {i}?", "answer": f'It is "{i + 1}".', "level": "é"}
    for i in range(30)
]
TEXTS = [{"text": f"The {i}th crow sat on a tree.", "id": str(i)} for i in range(30)]
CHARACTERS = sum(len(row["question"]) + len(row["answer"]) for row in ROWS)


def as_csv(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_array(rows: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


def as_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows: Sequence[dict[str, Any]], group: int = 7) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), stream, row_group_size=group)
    return stream.getvalue()


def as_arrow(rows: Sequence[dict[str, Any]], opened: str = "new_stream") -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    table, stream = pyarrow.Table.from_pylist(list(rows)), io.BytesIO()
    with getattr(pyarrow.ipc, opened)(stream, table.schema) as writer:
        writer.write_table(table, 11)
    return stream.getvalue()


def as_feather(rows: Sequence[dict[str, Any]]) -> bytes:
    return as_arrow(rows, "new_file")


def as_zstandard(rows: Sequence[dict[str, Any]]) -> bytes:
    if sys.version_info >= (3, 14):
        zstd: Any = pytest.importorskip("compression.zstd")
    else:
        zstd = pytest.importorskip("backports.zstd")
    content = as_csv(rows)
    packed: bytes = zstd.compress(content[:500]) + zstd.compress(content[500:])
    return packed


def contents(corpus: Corpus) -> list[object]:
    return [document.messages or "".join(document.pieces or ()) for _, document in corpus.split_documents()]


FORMATS: dict[str, Callable[[Sequence[dict[str, Any]]], bytes]] = {
    "a.jsonl": as_lines,
    "a.json": as_array,
    "a.csv": as_csv,
    "a.tsv": lambda rows: as_csv(rows, "\t"),
    "b.csv": lambda rows: as_csv(rows, ";"),
    "a.parquet": as_parquet,
    "a.arrow": as_arrow,
    "b.arrow": as_feather,
    "a.csv.zst": as_zstandard,
}


@pytest.mark.parametrize("where", ["file", "folder", "stdin", "other name"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_records_are_read_from_every_format(
    name: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FORMATS[name](ROWS)
    path = tmp_path / name
    if where == "other name":
        if name.endswith(".zst"):
            pytest.skip("the name tells how it is packed")
        path = tmp_path / "data.bin"
    path.write_bytes(content)
    given: str | Path = {"folder": tmp_path, "stdin": "-"}.get(where, path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    corpus = open_corpus([given])
    assert contents(corpus) == [read_record(row) for row in ROWS]
    assert (corpus.kind, corpus.documents, corpus.characters) == ("messages", 30, CHARACTERS)
    reference = tmp_path / "reference.jsonl"
    reference.write_bytes(as_lines(ROWS))
    assert open_corpus([reference]).character_counts == corpus.character_counts


@pytest.mark.parametrize("name", FORMATS)
def test_texts_are_documents_in_every_format(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FORMATS[name](TEXTS))
    corpus = open_corpus([tmp_path / name])
    assert corpus.kind == "documents" and contents(corpus) == [row["text"] for row in TEXTS]


def test_nested_messages_of_a_table_are_read_and_tools_are_left_out(tmp_path: Path) -> None:
    calls = [{"name": "add", "arguments": '{"a": 2}'}]
    turns = [
        {"role": "user", "content": "2+2?", "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "4", "tool_calls": None},
        {"role": "assistant", "content": "It is 4.", "tool_calls": None},
    ]
    (tmp_path / "a.parquet").write_bytes(as_parquet([{"messages": turns, "blob": b"\0"}] * 12))
    corpus = open_corpus([tmp_path / "a.parquet"])
    assert corpus.documents == 12 and corpus.characters == 12 * len("2+2?It is 4.")
    assert "12 answers of tools, 12 tool calls" in " ".join(corpus.notes)


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("a.json")])
def test_columns_that_hold_no_text_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FORMATS[name]([{"title": "a", "body": "b"}] * 5))
    with pytest.raises(CorpusError, match=r"no column that holds text.*'title', 'body'") as raised:
        open_corpus([tmp_path / name])
    assert "'text'" in (raised.value.hint or "")


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    rows = [{"text": f"The {i}th text."} for i in range(10)]
    rows[3]["text"] = None  # type: ignore[assignment]
    (tmp_path / "a.parquet").write_bytes(as_parquet(rows))
    assert (
        "1 of 10 records of 'a.parquet' cannot be used (row 4: no 'text'"
        in open_corpus([tmp_path / "a.parquet"]).notes[0]
    )
    (tmp_path / "a.csv").write_text('text,id\n"a\nb",1\n,2\nc,3,4\nd\n\ne,5\n')
    corpus = open_corpus([tmp_path / "a.csv"])
    assert contents(corpus) == ["a\nb", "d", "e"]
    assert "(line 4: no 'text'" in corpus.notes[0] and "line 5: 3 cells for 2 columns)" in corpus.notes[0]


@settings(max_examples=60)
@given(
    rows=st.lists(st.lists(st.text('ab",;\t\n|é', max_size=5), min_size=2, max_size=2), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    size=st.integers(1, 20),
)
def test_rows_of_a_table_are_those_written(rows: list[list[str]], delimiter: str, size: int) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows([["text", "id"], *rows])
    text = stream.getvalue()
    found = list(csv_rows((text[i : i + size] for i in range(0, len(text), size)), 1000))
    assert found[0] == (1, ["text", "id"])
    written = [{k: v for k, v in zip(("text", "id"), row, strict=True) if v} for row in rows if any(row)]
    assert [row for _, row in found[1:]] == written
    lines = [text[: text.index("\n")], *text.split("\n")]
    assert all(0 < line < len(lines) for line, _ in found)


def test_a_cell_that_is_too_long_is_broken_and_reading_goes_on() -> None:
    found = list(csv_rows(["text,id\na,1\n" + "x" * 200 + ",2\nb,3\n"], 100))
    assert [type(row) for _, row in found] == [list, dict, Broken, dict]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1 and no more", "no whole parquet"),
        ("a.parquet", b"", "no whole parquet"),
        ("a.arrow", b"ARROW1\0\0 and no more", "no whole arrow"),
        ("a.arrow", b"\xff\xff\xff\xff\x10", "no whole arrow"),
        ("a.txt.zst", b"not packed at all", "not a whole Zstandard file"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,id\n", "is empty"),
    ],
)
def test_a_damaged_file_is_told(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    as_zstandard(ROWS)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=said):
        open_corpus([tmp_path / name])


def test_a_file_that_is_cut_is_told(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow", "b.arrow", "a.csv.zst"):
        (tmp_path / name).write_bytes(FORMATS[name](ROWS)[:-9])
        with pytest.raises(CorpusError, match="whole"):
            open_corpus([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "package"), [("a.parquet", "pyarrow"), ("a.arrow", "pyarrow"), ("a.txt.zst", "backports.zstd")]
)
def test_a_missing_package_is_named(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pyarrow", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="is not installed") as raised:
        open_corpus([tmp_path / name])
    assert f"pip install {package}" in (raised.value.hint or "") and "rlm[hf]" in (raised.value.hint or "")


def zip_of(*names: str) -> bytes:
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            kind, _, content = name.partition("=")
            archive.writestr(kind, content or "x" * 100)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "command"),
    [
        (b"%PDF-1.7\n%", "a PDF document", "pdftotext"),
        (zip_of("mimetype=application/epub+zip", "OEBPS/a.xhtml"), "an EPUB book", "pandoc"),
        (zip_of("mimetype=application/vnd.oasis.opendocument.text"), "an OpenDocument text", "pandoc"),
        (zip_of("[Content_Types].xml", "word/document.xml"), "a Word document", "pandoc"),
        (zip_of("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", ""),
        (zip_of("a.txt"), "a zip archive", "Unpack"),
        (b"{\\rtf1\\ansi hello}", "an RTF document", "pandoc"),
    ],
)
def test_documents_are_named_as_what_they_are(
    content: bytes, name: str, command: str, tmp_path: Path
) -> None:
    for ending in (".txt", ".docx"):
        path = tmp_path / f"a{ending}"
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=f"is {name}, not plain text") as raised:
            open_corpus([path])
        assert command in (raised.value.hint or "")


def test_documents_in_a_folder_are_counted_by_their_type(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A crow sat on a tree.\n" * 20)
    for name in ("b.epub", "c.epub", "d.pdf", "e.html", "f.png"):
        (tmp_path / name).write_bytes(b"x")
    (note,) = open_corpus([tmp_path]).notes
    assert (
        "5 files of other types" in note and "Among them 2 .epub, 1 .html, 1 .pdf: save these as .txt" in note
    )


def test_html_is_learned_with_a_word_on_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!DOCTYPE html>\n" + "<p>A crow sat on a tree.</p>\n" * 20)
    assert "pandoc -t plain" in " ".join(open_corpus([tmp_path / "page.html"]).notes)
