"""A text that is read at once is read as a corpus is."""

import json
from pathlib import Path

import pytest

from data.corpus import open_corpus
from data.errors import CorpusError, UsageError
from data.whole_text import beginning_of, whole_text
from tests.data.pages import PAGES


def test_the_encoding_is_detected_and_can_be_named(tmp_path: Path) -> None:
    page = PAGES["Finnish"] + "\n"
    (tmp_path / "page.txt").write_bytes(page.encode("cp1252"))
    text, (note,) = whole_text(tmp_path / "page.txt")
    assert text == page and "cp1252" in note
    assert whole_text(tmp_path / "page.txt", "cp1252") == (page, ())
    with pytest.raises(CorpusError, match="not all in utf-8"):
        whole_text(tmp_path / "page.txt", "utf-8")


def test_documents_end_a_line_and_a_missing_file_is_named(tmp_path: Path) -> None:
    lines = [{"text": "one"}, {"prompt": "two", "completion": "three"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert whole_text(tmp_path / "a.jsonl")[0] == "one\ntwo\nthree\n"
    with pytest.raises(UsageError, match="no file"):
        whole_text(tmp_path / "gone.txt")


def test_the_beginning_has_the_number_of_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcdefghij" * 10)
    assert beginning_of(open_corpus([tmp_path / "a.txt"]), 95) == ("abcdefghij" * 10)[:95]
