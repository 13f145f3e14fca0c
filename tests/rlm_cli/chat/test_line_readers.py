"""The input line reads keys."""

import io
import re
import shutil
import stat
import sys
from types import SimpleNamespace

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.output.plain_text import PlainTextOutput
from prompt_toolkit.output.vt100 import Vt100_Output

from rlm_cli.chat.line_readers import PlainReader, TerminalReader, history_path

ENTER, CTRL_C, CTRL_D, CTRL_J, CTRL_R, UP, LEFT = "\r", "\x03", "\x04", "\n", "\x12", "\x1b[A", "\x1b[D"
SIZE = Size(rows=24, columns=80)


@pytest.fixture
def typing(tmp_path):
    def read(keys: str, default: str = "", history=tmp_path / "history") -> str:
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_text(keys)
            return TerminalReader(history).read(default)

    return read


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("hello" + ENTER, "hello"),
        ("two" + CTRL_J + "lines" + ENTER, "two\nlines"),
        ("two\\" + ENTER + "lines" + ENTER, "two\nlines"),
        ("wrong" + CTRL_C + "right" + ENTER, "right"),
        ("\x1b[200~pasted\nlines\x1b[201~" + ENTER, "pasted\nlines"),
    ],
)
def test_keys_become_text(typing, keys: str, text: str) -> None:
    assert typing(keys) == text


@pytest.mark.parametrize(("keys", "error"), [(CTRL_C, KeyboardInterrupt), (CTRL_D, EOFError)])
def test_empty_line_can_be_ended(typing, keys: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        typing(keys)


def test_default_text_can_be_edited(typing) -> None:
    assert typing(" world" + ENTER, "hello") == "hello world"


def test_history_is_saved_and_readable_by_the_owner_only(typing, tmp_path) -> None:
    history = tmp_path / "state" / "history"
    typing("first thing" + ENTER, history=history)
    typing("second" + ENTER, history=history)
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert typing(UP + UP + ENTER, history=history) == "first thing"
    assert typing(CTRL_R + "sec" + ENTER + ENTER, history=history) == "second"


def test_unwritable_history_file_is_ignored(typing, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    assert typing("hello" + ENTER, history=tmp_path / "file" / "history") == "hello"


def test_history_file_is_in_rlm_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path))
    assert history_path() == tmp_path / "chat_history"
    monkeypatch.delenv("RLM_HOME")
    assert "rlm" in str(history_path())


def test_a_user_without_a_home_has_no_history_file(monkeypatch, tmp_path, typing) -> None:
    """As in a container, where the user is only a number."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_HOME", "~none.such")
    assert history_path() is None
    for name in ("RLM_HOME", "HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert history_path() is None
    assert typing("hello" + ENTER, history=None) == "hello"
    assert list(tmp_path.iterdir()) == []


def test_a_history_that_cannot_be_added_to_stays_in_memory(monkeypatch, tmp_path) -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        reader = TerminalReader(tmp_path / "state" / "history")
        shutil.rmtree(tmp_path / "state")  # or the disk is full
        pipe.send_text("hello" + ENTER)
        assert reader.read() == "hello"
        assert reader._session.history.get_strings() == ["hello"]


def test_pasted_control_characters_are_shown_safely_and_sent_unchanged(tmp_path) -> None:
    shown = io.StringIO()
    pasted = "a\u202eb\x1b[31mc\U000e0041d\u2066"
    with (
        create_pipe_input() as pipe,
        create_app_session(input=pipe, output=PlainTextOutput(shown)),
    ):
        pipe.send_text(f"\x1b[200~{pasted}\x1b[201~{ENTER}")
        assert TerminalReader(tmp_path / "history").read() == pasted
    assert "a\ufffdb" in shown.getvalue()
    assert not set("\u202e\x1b\U000e0041\u2066") & set(shown.getvalue())


def keys_of(text: str) -> list[KeyPress]:
    keys: list[KeyPress] = []
    Vt100Parser(keys.append).feed(text)
    return keys


def test_keys_of_an_answer_come_before_those_of_the_input_line(tmp_path) -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        reader = TerminalReader(tmp_path / "history")
        reader.keep(keys_of(f"helo{LEFT}l{ENTER}\x1b[200~one\rtwo\x1b[201~{ENTER}beg"))
        pipe.send_text("un" + ENTER)
        assert [reader.read() for _ in range(3)] == ["hello", "one\ntwo", "begun"]
        reader.keep(keys_of("dropped" + ENTER))
        reader.forget()
        pipe.send_text("next" + ENTER)
        assert reader.read() == "next"


def test_pastes_are_marked_during_an_answer(tmp_path) -> None:
    shown = io.StringIO()
    with (
        create_pipe_input() as pipe,
        create_app_session(input=pipe, output=Vt100_Output(shown, lambda: SIZE)),
    ):
        pipe.send_text("hello" + ENTER)
        TerminalReader(tmp_path / "history").read()
    assert re.findall(r"\x1b\[\?2004([hl])", shown.getvalue())[-1] == "h"


def test_low_terminal_shows_the_input_line(tmp_path) -> None:
    shown = io.StringIO()
    output = Vt100_Output(shown, lambda: Size(rows=4, columns=80))
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        pipe.send_text("hello" + ENTER)
        TerminalReader(tmp_path / "history").read()
    assert "hello" in shown.getvalue()
    assert "too small" not in shown.getvalue()


def test_keys_of_an_answer_become_plain_lines(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"gun\n")))
    reader = PlainReader()
    reader.keep(keys_of(f"ong\x7fe{LEFT}\r漢字\u200d\r\x7fbe"))
    assert [reader.read() for _ in range(3)] == ["one", "漢字\u200d", "begun"]
    assert capsys.readouterr().err == "> one\n> 漢字\u200d\n> be"


def test_plain_lines(monkeypatch, capsys) -> None:
    content = io.BytesIO("one\r\ntwo\\\nlines\n\xff\nend\\".encode("latin-1"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=content))
    reader = PlainReader()
    assert [reader.read() for _ in range(4)] == ["one", "two\nlines", "\ufffd", "end"]
    with pytest.raises(EOFError):
        reader.read()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")  # the shell's own prompt begins a line
