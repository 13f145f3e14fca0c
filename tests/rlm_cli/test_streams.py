"""Output that cannot be written."""

import os
import signal
import sys

import pytest

from rlm_cli import streams
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode
from rlm_cli.streams import OutputError, checked, flush_streams

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")


def full_disk():
    return open("/dev/full", "w")


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w")


COMMANDS = [("--version",), ("--help",), ("plot", "--help"), ("ls", "--json")]


@needs_full
@pytest.mark.parametrize("arguments", COMMANDS)
def test_output_that_cannot_be_written_is_one_sentence(
    monkeypatch, capsys, tmp_path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "stdout", checked(full_disk()))
    assert main(arguments) == ExitCode.FAILED
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "No space left" in error
    assert error.count("\n") == 1
    flush_streams()  # nothing is left that could fail at exit


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_closed_pipe_ends_the_command_quietly(
    monkeypatch, capsys, tmp_path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "stdout", checked(closed_pipe()))
    assert main(arguments) == ExitCode.PIPE_CLOSED == 128 + signal.SIGPIPE
    assert capsys.readouterr().err == ""
    flush_streams()  # nothing is left that could fail at exit


@pytest.mark.parametrize(
    ("opened", "code"),
    [pytest.param(full_disk, ExitCode.FAILED, marks=needs_full), (closed_pipe, ExitCode.PIPE_CLOSED)],
)
def test_stderr_that_cannot_be_written_ends_the_command(monkeypatch, capsys, tmp_path, opened, code) -> None:
    monkeypatch.setattr(sys, "stderr", checked(opened()))
    assert main(("generate", "missing", "--runs-dir", str(tmp_path))) == code
    assert capsys.readouterr().out == ""


def test_characters_that_an_encoding_lacks_are_escaped(monkeypatch, tmp_path) -> None:
    with open(tmp_path / "out", "w", encoding="ascii") as file:
        stream = checked(file)
        stream.write("naïve\n")
        stream.flush()
    assert (tmp_path / "out").read_text() == "na\\xefve\n"


def test_only_errors_of_output_are_told_so(monkeypatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rlm_cli.app.app", fail)
    with pytest.raises(OSError, match="No space") as raised:
        main(["ls"])
    assert not isinstance(raised.value, OutputError)


def test_a_process_of_torchrun_asks_nothing(monkeypatch) -> None:
    monkeypatch.setattr(streams, "is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("CI", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert streams.may_ask()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not streams.may_ask()
