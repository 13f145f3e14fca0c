"""What is given by mistake is refused, or said and counted."""

import json
import re
from pathlib import Path

import pytest

from data.corpus import open_corpus
from data.errors import CorpusError

PROSE = "A crow sat on a tree, and a fox came by.\n" * 30


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.parametrize("start", [b"%PDF-1.7\n", b"{\\rtf1\\ansi ", b"PK\x03\x04"])
def test_a_document_that_is_not_plain_text_is_refused(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(start + PROSE.encode())
    with pytest.raises(CorpusError, match="not plain text"):
        open_corpus([tmp_path / "a.txt"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<!DOCTYPE html>\n<p>" + PROSE, "looks like HTML"),
        ("name,age,town\n" + "Ada,36,London\n" * 20, "looks like CSV"),
        (PROSE + "\ufeff" + PROSE, r"Byte order marks within 'a.txt' .* \(1\)"),
        (PROSE.replace("\n", "\r\r\n"), r"are read as two \(30\)"),
        (PROSE + "\ufffd\ufffd", r"Broken characters .* \(2\)"),
    ],
)
def test_what_is_probably_not_meant_is_counted(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content.encode())
    assert re.search(said, " ".join(open_corpus([tmp_path / "a.txt"]).notes))


def test_prose_has_no_remark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    assert not open_corpus([tmp_path / "a.txt"]).notes


def test_conversations_without_an_answer_and_half_characters_are_counted(tmp_path: Path) -> None:
    lines = [
        {"messages": [turn("user", "Hello \ud800"), turn("assistant", "Good day.")]},
        {"messages": [turn("user", "Is it late?")]},
        {"messages": [turn("user", "Is it late?"), turn("assistant", " ")]},
        {"prompt": "Is it late?", "completion": ""},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    notes = " ".join(open_corpus([tmp_path / "a.jsonl"]).notes)
    assert "3 of 4 conversations" in notes and "U+FFFD (1)" in notes
