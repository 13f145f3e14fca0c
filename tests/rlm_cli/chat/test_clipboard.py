"""Copying neither runs nor shows the text."""

import sys
from types import SimpleNamespace

import pytest

from rlm_cli.chat.clipboard import copy


def test_system_program_takes_the_text(monkeypatch, tmp_path) -> None:
    program = tmp_path / "pbcopy"
    program.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/taken\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert copy("naïve $(text)\x1b") == "pbcopy"
    assert (tmp_path / "taken").read_text() == "naïve $(text)\x1b"


@pytest.mark.parametrize(("terminal", "taken_by"), [(True, "the terminal"), (False, None)])
def test_without_a_program_the_terminal_takes_encoded_text(monkeypatch, tmp_path, terminal, taken_by) -> None:
    written: list[str] = []
    stdout = SimpleNamespace(isatty=lambda: terminal, write=written.append, flush=lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert copy("evil\x1b]0;title\x07") == taken_by
    assert bool(written) == terminal
    assert "evil" not in "".join(written)


def test_long_text_is_not_sent_to_the_terminal(monkeypatch, tmp_path) -> None:
    written: list[str] = []
    stdout = SimpleNamespace(isatty=lambda: True, write=written.append, flush=lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert copy("a" * 74_001) is None
    assert not written
