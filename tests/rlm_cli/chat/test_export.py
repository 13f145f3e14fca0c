"""/export writes a conversation to a file."""

import json
from pathlib import Path

import pytest

from data.document import Message
from tests.rlm_cli.chat.scripted_user import roles


@pytest.mark.parametrize("name", ["~none.such/talk", "a" * 5000, "zero\0byte", "lone\ud800surrogate"])
def test_invalid_export_name_is_an_error(chat, capsys, tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    line_chat = chat("hello", f"/export {name}", "again")
    assert capsys.readouterr().err.count("error:") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs"]
    assert roles(line_chat) == "uaua"


def test_exports_can_be_trained_on_and_never_overwrite(chat, tmp_path: Path, capsys) -> None:
    target = tmp_path / "talk.jsonl"
    line_chat = chat("hello", f"/export {target}", f"/export {target}")
    written = [Message(**message) for message in json.loads(target.read_text())["messages"]]
    assert written == line_chat.session.conversation.turns
    assert "already exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "ending"), [("talk.txt", "# Con"), ("md talk.pdf", "# Con"), ("jsonl x.y", '{"mes')]
)
def test_export_form_is_chosen_or_follows_from_the_name(
    chat, tmp_path, monkeypatch, arguments: str, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    chat("hello", f"/export {arguments}")
    assert (tmp_path / arguments.split()[-1]).read_text().startswith(ending)


@pytest.mark.parametrize("name", ["pdf", "talk.pdf", "html"])
def test_export_in_an_unknown_form_is_refused(chat, tmp_path, monkeypatch, capsys, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    chat("hello", f"/export {name}")
    assert f"/export md {name}" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / name).exists()
