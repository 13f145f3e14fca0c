"""Files as people have them: other names, links, nulls, and mostly broken lines."""

import json
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
    with pytest.raises(CorpusError, match="50 of 70 lines"):
        open_corpus([tmp_path / "a.jsonl"])


def test_an_unknown_role_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": "bot", "content": "x"}]}\n')
    with pytest.raises(CorpusError, match="the role 'bot'"):
        open_corpus([tmp_path / "a.jsonl"])


def test_a_link_keeps_its_typed_name_and_format(tmp_path: Path) -> None:
    (tmp_path / "3f2ab9").write_text(LINES)
    (tmp_path / "train.jsonl").symlink_to(tmp_path / "3f2ab9")
    corpus = open_corpus([tmp_path / "train.jsonl"])
    assert (corpus.name, corpus.documents) == ("train", 20)
    assert corpus.sources[0].path.name == "train.jsonl"


def test_a_linked_folder_is_named_among_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "shelf" / "a.jsonl").write_text(LINES)
    (tmp_path / "shelf" / "linked").symlink_to(tmp_path / "other")
    assert any("linked" in note and "left out" in note for note in open_corpus([tmp_path / "shelf"]).notes)


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
