"""From files to a corpus: what is read, what is noted, what is refused."""

import gzip
import io
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.corpus import Corpus, open_corpus, scan_corpus
from data.errors import CorpusError, UsageError

SHARED = Path(__file__).parents[2].parent / "shared" / "corpora"
PROSE = "Once there was a crow.\nIt lived by the sea.\n" * 20


def text_of(corpus: Corpus, split: str) -> str:
    assert split in ("train", "validation")
    parts = []
    for document in corpus.documents_of(split):  # type: ignore[arg-type]
        parts += list(document.pieces or [m.content for m in document.messages or ()])
    return "".join(parts)


def write_lines(path: Path, lines: list[object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


# --- What is read


@given(text=st.text(min_size=2).filter(lambda t: len(set(t.strip())) > 1 and "\0" not in t))
def test_a_text_is_counted_and_split_after_nine_tenths(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.txt")
        path.write_bytes(text.encode())
        seen = path.read_text(encoding="utf-8-sig")  # universal line ends, as ours
        if len(set(seen)) < 2:
            return
        corpus = open_corpus([path])
        assert corpus.kind == "text" and corpus.name == "x" and corpus.documents == 1
        assert (corpus.characters, corpus.bytes) == (len(seen), len(seen.encode()))
        assert corpus.character_counts == Counter(seen)
        assert text_of(corpus, "train") == seen[: int(0.9 * len(seen))]
        assert text_of(corpus, "validation") == seen[int(0.9 * len(seen)) :]


@pytest.mark.parametrize("name", ["tiny_shakespeare.txt", "alice.txt"])
def test_real_text_is_split_exactly(name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not here")
    whole = (SHARED / name).read_text(encoding="utf-8")
    corpus = open_corpus([SHARED / name])
    assert text_of(corpus, "train") == whole[: int(len(whole) * 0.9)]
    assert text_of(corpus, "train") + text_of(corpus, "validation") == whole
    assert not corpus.notes


def test_pieces_of_any_size_give_the_same_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes("Été à la mer — 🦉\r\nz\r".encode() * 50)
    whole = open_corpus([tmp_path / "a.txt"])
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("data.text_reader._PIECE_BYTES", size)
        corpus = open_corpus([tmp_path / "a.txt"])
        assert corpus == whole
        assert text_of(corpus, "train") == text_of(whole, "train")
        assert text_of(corpus, "validation") == text_of(whole, "validation")


def test_gzip_is_decompressed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(PROSE.encode()))
    plain, packed = open_corpus([tmp_path / "a.txt"]), open_corpus([tmp_path / "b.txt.gz"])
    assert packed.name == "b" and packed.content_hash == plain.content_hash
    assert text_of(packed, "train") == text_of(plain, "train")


def test_all_files_of_a_folder_are_read_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/c.txt", ".hidden/x.txt", ".y.txt", "notes.docx"):
        path = tmp_path / "shelf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} {PROSE}")
    corpus = open_corpus([tmp_path / "shelf"])
    assert [source.path.name for source in corpus.sources] == ["c.txt", "z.md", "b.txt"]
    assert (corpus.name, corpus.kind, corpus.documents) == ("shelf", "text", 3)
    assert any("1 file of other types" in note for note in corpus.notes)
    # Each file gives its own last tenth.
    assert text_of(corpus, "validation").count("sea.") >= 3


def test_a_faulty_file_in_a_folder_is_skipped_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(PROSE)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(b"\0\1\2")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    corpus = open_corpus([tmp_path])
    assert len(corpus.sources) == 1
    note = "".join(corpus.notes)
    assert "3 files skipped" in note and "'binary.txt' is binary" in note and "'empty.txt' is empty" in note


def test_a_folder_of_faulty_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(CorpusError, match=r"No file in .* can be used: .*is empty"):
        open_corpus([tmp_path])


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    corpus = open_corpus([tmp_path / "a.txt", tmp_path])
    assert len(corpus.sources) == 1 and "given twice" in corpus.notes[0]


def test_a_file_with_another_ending_is_read_as_text_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(PROSE)
    corpus = open_corpus([tmp_path / "a.py"])
    assert corpus.kind == "text" and "read as plain text" in corpus.notes[0]


def test_json_lines_are_split_by_document(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "d.jsonl", [{"text": f"document {i}."} for i in range(25)])
    corpus = open_corpus([path])
    assert (corpus.kind, corpus.documents) == ("documents", 25)
    train, validation = list(corpus.documents_of("train")), list(corpus.documents_of("validation"))
    assert (len(train), len(validation)) == (22, 3)
    assert list(train[0].pieces or ()) == ["document 0."]
    assert list(validation[-1].pieces or ()) == ["document 24."]
    assert corpus.characters == sum(len(f"document {i}.") for i in range(25))


def test_conversations_keep_their_roles(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]
    path = write_lines(tmp_path / "m.jsonl", [{"messages": turns}] * 9 + [{"prompt": "a", "completion": "b"}])
    corpus = open_corpus([path])
    assert corpus.kind == "messages" and corpus.characters == 9 * 13 + 2
    (last,) = corpus.documents_of("validation")
    assert [(m.role, m.content) for m in last.messages or ()] == [("user", "a"), ("assistant", "b")]


def test_a_tenth_of_many_short_files_is_for_validation(tmp_path: Path) -> None:
    for i in range(20):
        write_lines(tmp_path / f"{i:02}.jsonl", [{"text": f"document {i}"}])
    corpus = open_corpus([tmp_path])
    assert len(list(corpus.documents_of("train"))) == 18
    assert len(list(corpus.documents_of("validation"))) == 2


def test_texts_and_conversations_can_be_one_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    write_lines(tmp_path / "b.jsonl", [{"prompt": "a", "completion": "b"}] * 10)
    corpus = open_corpus([tmp_path / "a.txt", tmp_path / "b.jsonl"])
    assert corpus.kind == "messages" and corpus.documents == 11
    documents = corpus.documents_of("train")
    assert "".join(next(documents).pieces or ()) == PROSE[: int(0.9 * len(PROSE))]
    assert next(documents).messages


def test_broken_lines_are_counted_and_their_numbers_given(tmp_path: Path) -> None:
    good = [json.dumps({"text": f"text {i}"}) for i in range(10)]
    (tmp_path / "x.jsonl").write_text("\n".join([good[0], "{oops", *good[1:], *["[1]"] * 9]))
    corpus = open_corpus([tmp_path / "x.jsonl"])
    assert corpus.documents == 10
    (note,) = corpus.notes
    assert "10 of 20 records of 'x.jsonl'" in note and "line 2: not JSON" in note and "…" in note
    assert len(list(corpus.documents_of("train"))) == 9


# --- Standard input


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_standard_input_is_copied_to_the_cache_once(
    monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    for _ in range(2):
        pipe(monkeypatch, PROSE.encode())
        corpus = open_corpus(["-"])
        assert corpus.name == "stdin" and text_of(corpus, "train") + text_of(corpus, "validation") == PROSE
    assert len(list((cache_folder / "standard-input").iterdir())) == 1


def test_standard_input_can_be_json_lines_or_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b'{"text": "ab"}\n{"text": "cd"}\n'
    pipe(monkeypatch, lines)
    assert open_corpus(["-"]).kind == "documents"
    pipe(monkeypatch, gzip.compress(PROSE.encode()))
    assert open_corpus(["-"]).characters == len(PROSE)


@pytest.mark.parametrize(("content", "reason"), [(b"", "Nothing came"), (b"ab\0cd", "binary")])
def test_standard_input_without_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, cache_folder: Path, content: bytes, reason: str
) -> None:
    pipe(monkeypatch, content)
    with pytest.raises(CorpusError, match=reason):
        open_corpus(["-"])
    assert not list((cache_folder / "standard-input").iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    import threading

    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(PROSE,))
    writer.start()
    assert open_corpus([tmp_path / "pipe"]).characters == len(PROSE)
    writer.join()


# --- Encodings


FRENCH = "Le café est fermé à Noël, et l'été n'a pas été très agréable pour les élèves.\n" * 30


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_gives_the_encoding_and_is_not_text(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(FRENCH.encode(encoding))
    corpus = open_corpus([tmp_path / "a.txt"])
    assert text_of(corpus, "train") + text_of(corpus, "validation") == FRENCH
    assert bool(corpus.notes) == (encoding != "utf-8-sig")


RUSSIAN = "Однажды ворона жила у моря. Она не любила ветер и всегда летела домой.\n" * 30


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(FRENCH, "latin-1"), ("A “quoted” café, and plain words after it.\n", "cp1252"), (RUSSIAN, "cp1251")],
)
def test_an_encoding_that_is_not_utf_8_is_guessed_with_a_note(
    tmp_path: Path, text: str, encoding: str
) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    corpus = open_corpus([tmp_path / "a.txt"])
    assert text_of(corpus, "train") + text_of(corpus, "validation") == text
    assert "'a.txt' is read as cp125" in corpus.notes[0]


def test_utf_8_with_a_few_broken_bytes_stays_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.text_reader._PIECE_BYTES", 1000)
    monkeypatch.setattr("data.file_encoding._SAMPLE_BYTES", 64)
    broken = FRENCH.encode() + b"plain " * 100 + b"\xff\n" + FRENCH.encode() + b"caf\xc3"
    (tmp_path / "a.txt").write_bytes(broken)
    corpus = open_corpus([tmp_path / "a.txt"])
    assert text_of(corpus, "train") + text_of(corpus, "validation") == broken.decode("utf-8", "replace")
    (note,) = corpus.notes
    assert f"first at byte {broken.index(0xFF)}" in note and "2 broken characters" in note


def test_a_truncated_utf_16_file_is_read_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(FRENCH.encode("utf-16") + b"x")
    corpus = open_corpus([tmp_path / "a.txt"])
    assert text_of(corpus, "train") + text_of(corpus, "validation") == FRENCH + "\ufffd"
    assert "UTF-16 with broken bytes" in corpus.notes[0]


def test_line_ends_of_other_systems_become_newlines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\rthree\n\r\n")
    corpus = open_corpus([tmp_path / "a.txt"])
    assert text_of(corpus, "train") + text_of(corpus, "validation") == "one\ntwo\nthree\n\n"
    assert "read as \\n in 'a.txt'" in corpus.notes[0]


# --- What is refused, with one sentence and the next step


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"\xef\xbb\xbf", "is empty"),
        ("a.txt", b"x", "a single character"),
        ("a.txt", b"x" * 5000, "one character repeated"),
        ("a.txt", b" \n\t\n" * 100, "white space only"),
        ("a.txt", b"text\0text", "binary"),
        ("a.txt", bytes(range(1, 256)) * 40, "binary"),
        ("a.txt", b"ab" * 2**20 + b"\0", "binary"),
        ("a.jsonl", b"{oops\n[1]\n", "No record of 'a.jsonl' can be used"),
        ("a.jsonl", b"\n\n", "is empty"),
        ("a.jsonl", b'{"text": "only one"}\n', "only one document"),
        ("a.txt.gz", b"not packed at all", "not a whole gzip file"),
        ("a.txt.gz", gzip.compress(PROSE.encode(), mtime=0)[:-12], "not a whole gzip file"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=reason) as caught:
        open_corpus([tmp_path / name])
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message
    assert caught.value.hint


def test_a_missing_path_has_similar_names_as_a_hint(tmp_path: Path) -> None:
    (tmp_path / "fables.txt").write_text(PROSE)
    with pytest.raises(UsageError, match="no file or folder") as caught:
        open_corpus([tmp_path / "fabels.txt"])
    assert str(tmp_path / "fables.txt") in (caught.value.hint or "")
    with pytest.raises(UsageError) as caught:
        open_corpus([tmp_path / "nowhere" / "at" / "all.txt"])
    assert caught.value.hint


@pytest.mark.parametrize("path", ["Once upon a time " * 40, "a\0b"])
def test_an_impossible_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_corpus([path])
    assert len(caught.value.message) < 200


def test_an_empty_list_of_paths_is_refused() -> None:
    with pytest.raises(UsageError, match="No text was given"):
        open_corpus([])


@pytest.mark.parametrize("names", [[], ["a.docx", "b.pdf"]])
def test_a_folder_without_text_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text(PROSE)
    with pytest.raises(CorpusError, match="holds no text") as caught:
        open_corpus([tmp_path])
    assert ".jsonl" in (caught.value.hint or "")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(PROSE)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("data.text_reader.open_plain_file", refuse)
    with pytest.raises(CorpusError, match="cannot be read: Permission denied") as caught:
        open_corpus([tmp_path / "a.txt"])
    assert caught.value.hint == "Check its permissions."


def test_a_file_that_changes_after_the_scan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for kind, content in {"shorter": PROSE[:100], "longer": PROSE * 2, "other": "\xe9" * 99}.items():
        path.write_text(PROSE)
        corpus = open_corpus([path])
        path.write_text(content, encoding="latin-1")
        with pytest.raises(CorpusError, match="changed while"):
            text_of(corpus, "train")
            text_of(corpus, "validation")
        assert kind
    write_lines(tmp_path / "b.jsonl", [{"text": "ab"}] * 10)
    corpus = open_corpus([tmp_path / "b.jsonl"])
    write_lines(tmp_path / "b.jsonl", [{"text": "ab"}] * 5)
    with pytest.raises(CorpusError, match="changed while"):
        list(corpus.documents_of("train"))


# --- Progress and identity


def test_reading_reports_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.text_reader._PIECE_BYTES", 100)
    (tmp_path / "a.txt").write_text(PROSE)
    write_lines(tmp_path / "b.jsonl", [{"text": "some text"}] * 40)
    reports = list(scan_corpus([tmp_path]))
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert {(a.stage, a.total, a.unit) for a in reports} == {("reading", total, "bytes")}
    done = [a.done for a in reports]
    assert done == sorted(done) and done[-1] == total and len(done) > 10


def test_equal_contents_have_equal_hashes(tmp_path: Path) -> None:
    def hash_of(*contents: object, suffix: str = ".jsonl") -> str:
        path = tmp_path / f"file{suffix}"
        if suffix == ".jsonl":
            write_lines(path, list(contents))
        else:
            path.write_text(str(contents[0]))
        return open_corpus([path]).content_hash

    a, b = {"text": "ab"}, {"text": "cd"}
    hashes = [
        hash_of(a, b),
        hash_of(b, a),
        hash_of({"text": "abc"}, {"text": "d"}),
        hash_of({"prompt": "ab", "completion": "cd"}, a),
        hash_of(PROSE, suffix=".txt"),
        hash_of(PROSE + "!", suffix=".txt"),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_of(a, b) == hashes[0]
