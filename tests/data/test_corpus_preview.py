"""A look at a corpus: its size, its beginning, and how much of it repeats."""

import json
from pathlib import Path

import pytest

from data import corpus_preview as module
from data.corpus import open_corpus
from data.corpus_preview import CorpusPreview, preview_corpus
from data.progress import result_of

LINE = "The owl counted the mice by the old mill.\n"


def looked_at(*paths: Path) -> CorpusPreview:
    return result_of(preview_corpus(open_corpus(paths)))


def test_a_text_has_lines_that_came_before(tmp_path: Path) -> None:
    text = tmp_path / "owl.txt"
    text.write_text(LINE + "Yes.\n" * 50 + LINE.upper() + LINE, encoding="utf-8")
    found = looked_at(text)
    length = len(LINE) - 1
    assert found.repeated_share == pytest.approx(length / (3 * length + 50 * len("Yes.")))
    assert (found.name, found.files, found.documents, found.encodings) == ("owl", 1, 0, ("utf-8",))
    assert found.characters == len(text.read_text()) and found.tokenizer == "character"
    assert found.beginning == text.read_text()


def test_documents_repeat_as_a_whole(tmp_path: Path) -> None:
    documents = [LINE + str(number) for number in (1, 2, 3, 1)]
    records = tmp_path / "owl.jsonl"
    records.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
    found = looked_at(records)
    assert found.documents == 4 and found.repeated_share == 0.25
    messages = [{"role": "user", "content": LINE}, {"role": "assistant", "content": LINE}]
    chat = tmp_path / "chat.jsonl"
    chat.write_text((json.dumps({"messages": messages}) + "\n") * 2, encoding="utf-8")
    assert looked_at(chat).repeated_share == 0.5


def test_a_folder_counts_its_files_and_tells_what_was_assumed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LINE, encoding="utf-8")
    (tmp_path / "b.txt").write_text(LINE + "Schöne Grüße", encoding="utf-16")
    (tmp_path / "c.png").write_bytes(b"\0")
    found = looked_at(tmp_path)
    assert found.files == 2 and found.encodings == ("utf-8", "utf-16") and found.repeated_share > 0.4
    assert any("1 file of other types" in note for note in found.notes)


def test_only_the_beginning_of_a_large_text_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_COMPARED", 10 * len(LINE))
    text = tmp_path / "owl.txt"
    text.write_text(LINE * 1000, encoding="utf-8")
    found = looked_at(text)
    assert found.compared_characters < 12 * len(LINE) and found.repeated_share > 0.8
    assert found.beginning == f"{(LINE * 1000)[: module.BEGINNING]} …"
