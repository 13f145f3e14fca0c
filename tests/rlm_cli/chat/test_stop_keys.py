"""Keys pressed during an answer."""

import io
import os
import signal
import sys

import pytest

from rlm_cli.chat.stop_keys import StopKeys, hold_keys_for_prompt

termios = pytest.importorskip("termios")


@pytest.fixture
def keyboard(monkeypatch):
    """Standard input as a terminal; gives a function that presses keys."""
    master, slave = os.openpty()
    stdin = os.fdopen(slave, "r")
    monkeypatch.setattr(sys, "stdin", stdin)
    yield lambda keys: os.write(master, keys)
    stdin.close()
    os.close(master)


def test_escape_stops(keyboard) -> None:
    with StopKeys() as keys:
        assert not keys.pressed()
        keyboard(b"\x1b")
        assert keys.pressed()
        assert not keys.interrupted


def test_arrow_keys_do_not_stop_and_text_is_kept(keyboard) -> None:
    with StopKeys() as keys:
        keyboard(b"\x1b[A")
        assert not keys.pressed()
        keyboard("né".encode())
        assert not keys.pressed()
        keyboard(b"\rxt\x07")
    assert keys.typed_text == "né\nxt"


@pytest.mark.parametrize("manager", [StopKeys, hold_keys_for_prompt])
def test_terminal_is_restored(keyboard, manager) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    with manager():
        assert termios.tcgetattr(sys.stdin.fileno()) != before
    assert termios.tcgetattr(sys.stdin.fileno()) == before


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
    with hold_keys_for_prompt(), StopKeys() as keys:
        assert not keys.pressed()
