"""Files as people have them: other names, links, nulls, and mostly broken lines."""

import gzip
import io
import json
import os
from pathlib import Path

import pytest

from data.character_tokenizer import train_character_tokenizer
from data.corpus import open_corpus
from data.errors import CorpusError
from data.tokenizer import load_tokenizer

LINES = "".join(json.dumps({"text": f"document {i}."}) + "\n" for i in range(20))


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.data"])
def test_json_lines_are_known_by_their_beginning(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(LINES)
    assert open_corpus([tmp_path / name]).documents == 20


def test_null_is_absent(tmp_path: Path) -> None:
    lines = [{"text": "one two", "messages": None}, {"text": None, "prompt": "a", "completion": "b"}] * 5
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    corpus = open_corpus([tmp_path / "a.jsonl"])
    assert corpus.documents == 10 and not corpus.notes


def test_mostly_broken_lines_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES + "{broken\n" * 50)
    with pytest.raises(CorpusError, match="50 of 70 records"):
        open_corpus([tmp_path / "a.jsonl"])


def test_an_unknown_role_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": "robot", "content": "x"}]}\n')
    with pytest.raises(CorpusError, match="the role 'robot'"):
        open_corpus([tmp_path / "a.jsonl"])


def test_a_link_keeps_its_typed_name_and_format(tmp_path: Path) -> None:
    (tmp_path / "3f2ab9").write_text(LINES)
    (tmp_path / "train.jsonl").symlink_to(tmp_path / "3f2ab9")
    corpus = open_corpus([tmp_path / "train.jsonl"])
    assert (corpus.name, corpus.documents) == ("train", 20)
    assert corpus.sources[0].path.name == "train.jsonl"


def test_a_linked_folder_is_followed_and_each_file_is_read_once(tmp_path: Path) -> None:
    for name in ("shelf/z", "other/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "shelf" / "z" / "a.txt").write_text("A crow sat on a tree.\n")
    (tmp_path / "other" / "deep" / "b.txt").write_text("A fox sat below it.\n")
    (tmp_path / "shelf" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "shelf" / "again").symlink_to(tmp_path / "other" / "deep")
    (tmp_path / "shelf" / "a_link").symlink_to(tmp_path / "shelf" / "z")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "shelf")
    (tmp_path / "other" / "self").symlink_to(tmp_path / "other")
    corpus = open_corpus([tmp_path / "shelf"])
    read = [source.path.relative_to(tmp_path).as_posix() for source in corpus.sources]
    assert read == ["other/deep/b.txt", "shelf/z/a.txt"]
    (note,) = corpus.notes
    assert "outside" in note and f"'linked' ('{tmp_path / 'other'}')" in note and "back" not in note


def test_a_link_to_a_folder_above_the_given_one_is_left_out_and_named(tmp_path: Path) -> None:
    for name in ("n", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "n" / "a.txt").write_text("A crow sat on a tree.\n")
    (tmp_path / "private.txt").write_text("A fox sat below it.\n")
    (tmp_path / "n" / "up").symlink_to("..")
    (tmp_path / "n" / "out").symlink_to("../other")
    (tmp_path / "other" / "top").symlink_to("/")
    corpus = open_corpus([tmp_path / "n"])
    assert [source.path.name for source in corpus.sources] == ["a.txt"]
    assert f"left out: 'up' ('{tmp_path}'), 'out/top' ('/')." in corpus.notes[0]
    assert "read too: 'out'" in corpus.notes[1]


def test_files_that_are_given_twice_are_counted_in_one_note(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in "abc":
        (tmp_path / "sub" / f"{name}.txt").write_text(f"The letter {name}.\n" * 10)
    corpus = open_corpus([tmp_path, tmp_path / "sub"])
    assert len(corpus.sources) == 3
    assert corpus.notes == ("3 files were given twice and are read once.",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_neither_pipe_nor_device_in_a_linked_folder_is_read(tmp_path: Path) -> None:
    for name in ("shelf", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "shelf" / "a.txt").write_text("A crow sat on a tree.\n")
    os.mkfifo(tmp_path / "other" / "pipe.txt")
    os.mkfifo(tmp_path / "other" / "pipe.json")
    (tmp_path / "other" / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "shelf" / "linked").symlink_to(tmp_path / "other")
    corpus = open_corpus([tmp_path / "shelf"])
    assert len(corpus.sources) == 1 and "2 files skipped" in " ".join(corpus.notes)


def test_a_byte_order_mark_in_a_tokenizer_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A crow sat on a tree.\n" * 20)
    tokenizer = train_character_tokenizer(open_corpus([tmp_path / "a.txt"]))
    tokenizer.save(tmp_path / "tokenizer.json")
    content = (tmp_path / "tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(b"\xef\xbb\xbf" + content)
    assert load_tokenizer(tmp_path / "tokenizer.json").hash == tokenizer.hash


@pytest.mark.parametrize(("start", "end"), [("[", "]"), ("[\n", "\n]\n")])
def test_an_array_with_a_record_a_line_is_read(start: str, end: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(start + LINES.strip().replace("\n", ",\n") + end)
    corpus = open_corpus([tmp_path / "a.jsonl"])
    assert corpus.documents == 20 and not corpus.notes


def test_an_array_called_json_is_read_when_named_and_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[\n" + LINES.strip().replace("\n", ",\n") + "\n]\n")
    (tmp_path / "settings.json").write_text('{\n "width": 3\n}\n')
    assert open_corpus([tmp_path / "a.json"]).documents == open_corpus([tmp_path]).documents == 20


RECORDS = [{"text": f"document {i}."} for i in range(20)]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        json.dumps(RECORDS, indent=0),
        "".join(json.dumps(record) for record in RECORDS),
        " ".join(json.dumps(record, indent="\t") for record in RECORDS),
    ],
    ids=["array on one line", "array on several", "array without indents", "one line", "several lines"],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.data", "a.json.gz", "a.jsonl.gz", "folder", "-"])
def test_records_are_read_in_any_layout(
    content: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(content.encode())
    path = tmp_path / (f"{name}/a.json.gz" if name == "folder" else name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed if path.suffix == ".gz" else content.encode())
    for stream in (content.encode(), packed) if name == "-" else (b"",):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream)))
        corpus = open_corpus(["-" if name == "-" else tmp_path / name])
        assert (corpus.kind, corpus.documents, corpus.notes) == ("documents", 20, ())


@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "several lines"])
def test_records_are_known_by_a_first_one_that_is_long_and_begins_with_another_key(
    indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    article = {"id": "12", "url": "https://example.org/12", "title": "Crows", "text": "A crow. " * 10_000}
    content = "\n".join(json.dumps(one, indent=indent) for one in (article, *RECORDS)).encode()
    (tmp_path / "wiki.json").write_bytes(content)
    (tmp_path / "wiki.data.gz").write_bytes(gzip.compress(content))
    for given in (tmp_path, tmp_path / "wiki.data.gz", "-"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        corpus = open_corpus([given])
        assert (corpus.kind, corpus.documents) == ("documents", 21)


def test_a_short_object_that_never_ends_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text('{"id": "A crow sat on a tree.')
    assert open_corpus([tmp_path / "a.data"]).kind == "text"


def test_a_broken_record_on_several_lines_is_one_and_is_told_with_its_line(tmp_path: Path) -> None:
    content = json.dumps(RECORDS, indent=2).replace('"document 3."', '"document 3.",')
    (tmp_path / "a.json").write_text(content)
    corpus = open_corpus([tmp_path / "a.json"])
    assert corpus.documents == 19
    assert "1 of 20 records of 'a.json' cannot be used (line 11: not JSON)" in corpus.notes[0]


def test_a_damaged_packed_file_of_records_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(LINES.encode(), mtime=0)[:-12])
    (note,) = open_corpus([tmp_path]).notes
    assert "'b.json.gz' is not a whole gzip file" in note


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("content", ["A crow sat on a tree.\n" * 20, LINES], ids=["text", "records"])
def test_utf_16_without_a_mark_is_read_from_standard_input_as_from_a_file(
    encoding: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = content.encode(encoding)
    (tmp_path / "a.data").write_bytes(packed)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    piped, kept = open_corpus(["-"]), open_corpus([tmp_path / "a.data"])
    assert piped.content_hash == kept.content_hash and piped.characters == kept.characters
    assert f"is {encoding.upper()} by its first bytes" in piped.notes[0]


def test_a_stray_nul_on_standard_input_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b"A crow sat on a tree.\n" * 50 + b"\0The end.\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream)))
    assert "1 NUL bytes" in open_corpus(["-"]).notes[0]
