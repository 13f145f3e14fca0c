"""Keys pressed during an answer."""

import io
import os
import signal
import sys

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_input
from prompt_toolkit.keys import Keys

from rlm_cli.chat.stop_keys import StopKeys
from rlm_cli.chat.terminal_mode import unechoed_keys

termios = pytest.importorskip("termios")


@pytest.fixture
def keyboard(monkeypatch):
    """Standard input as a terminal; gives a function that presses keys."""
    master, slave = os.openpty()
    stdin = os.fdopen(slave, "r")
    monkeypatch.setattr(sys, "stdin", stdin)
    with create_app_session(input=create_input(stdin)):
        yield lambda keys: os.write(master, keys)
    stdin.close()
    os.close(master)


def test_escape_stops(keyboard, monkeypatch) -> None:
    monkeypatch.setattr("rlm_cli.chat.stop_keys._ESCAPE_S", -1)
    with StopKeys() as keys:
        assert not keys.pressed()
        keyboard(b"\x1b")
        assert keys.pressed()
        assert not keys.interrupted
    assert not keys.typed


@pytest.mark.parametrize("pressed", ["\x1b[A", "\x1bOP", "\x1b[1;3D", "\x1bb", "\x1b[200~a\x1bb\n\x1b[201~"])
def test_keys_that_begin_with_escape_do_not_stop(keyboard, pressed: str) -> None:
    with StopKeys() as keys:
        for byte in pressed.encode():  # a slow connection
            keyboard(bytes([byte]))
            assert not keys.pressed()
    assert "".join(press.data for press in keys.typed).replace("\n", "") in ("\x1bb", "a\x1bb", pressed)


def test_characters_are_kept_whole(keyboard) -> None:
    typed = "漢字" * 300 + "зачем не\u0301 a\u200db\u00a0c"
    content = typed.encode()
    with StopKeys() as keys:
        for first in range(0, len(content), 100):  # ends within a character
            keyboard(content[first : first + 100])
            assert not keys.pressed()
    assert "".join(press.data for press in keys.typed) == typed


def test_paste_is_one_key(keyboard) -> None:
    with StopKeys() as keys:
        keyboard(b"\x1b[200~one\rtwo\rthree\x1b[201~\r")
        assert not keys.pressed()
    assert [press.key for press in keys.typed] == [Keys.BracketedPaste, Keys.Enter]
    assert keys.typed[0].data == "one\rtwo\rthree"  # the input line makes new lines of these


@pytest.mark.parametrize("manager", [StopKeys, unechoed_keys])
def test_terminal_is_restored(keyboard, manager) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    with manager():
        assert termios.tcgetattr(sys.stdin.fileno()) != before
    assert termios.tcgetattr(sys.stdin.fileno()) == before


def test_terminal_is_restored_while_suspended(keyboard, monkeypatch) -> None:
    """Nested contexts, as in an answer. The stop itself would need a shell."""
    modes = []
    monkeypatch.setattr(
        signal, "raise_signal", lambda number: modes.append(termios.tcgetattr(sys.stdin.fileno()))
    )
    before = termios.tcgetattr(sys.stdin.fileno())
    with unechoed_keys(), StopKeys():
        during = termios.tcgetattr(sys.stdin.fileno())
        os.kill(os.getpid(), signal.SIGTSTP)
        assert termios.tcgetattr(sys.stdin.fileno()) == during
    assert modes == [before]
    assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL


def test_control_c_stops_and_twice_leaves(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    handler = signal.getsignal(signal.SIGINT)
    with StopKeys() as keys:
        signal.raise_signal(signal.SIGINT)
        assert keys.pressed()
        assert keys.interrupted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def test_without_a_terminal_there_is_nothing_to_change(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with unechoed_keys(), StopKeys() as keys:
        assert not keys.pressed()
