"""The program's name in hints and help: as it was called."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlm_cli import program
from rlm_cli.app import main
from rlm_cli.wording import in_cli_words


@pytest.fixture
def called_by_path() -> Iterator[None]:
    program.set_program(".venv/bin/rlm")
    yield
    program.set_program("rlm")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my tools" / "rlm"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/usr/bin")
    return path


def test_program_outside_the_path_keeps_its_path(script: Path) -> None:
    assert program.program_as_called([str(script), "ls"], ["python", str(script), "ls"]) == f"'{script}'"
    assert program.program_as_called([".venv/bin/rlm"], ["python", ".venv/bin/rlm"]) == ".venv/bin/rlm"


def test_program_on_the_path_is_its_name(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert program.program_as_called([str(script), "ls"], ["python", str(script), "ls"]) == "rlm"


def test_a_process_that_another_one_of_rlm_started_is_called_rlm() -> None:
    called = ["python", "-P", "-c", "import runpy", "train", "a.txt"]
    assert program.program_as_called(["/x/rlm_cli/__main__.py", "train", "a.txt"], called) == "rlm"


@pytest.mark.parametrize("arguments", [(), ("ls", "--json")])
def test_module_is_called_through_python(arguments: tuple[str, ...]) -> None:
    called = ["venv/bin/python", "-X", "utf8", "-m", "rlm_cli"]
    given = ["/somewhere/rlm_cli/__main__.py", *arguments]
    assert program.program_as_called(given, [*called, *arguments]) == " ".join(called)


@pytest.mark.usefixtures("called_by_path")
def test_hints_can_be_typed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert in_cli_words("Continue: {resume book}") == "Continue: .venv/bin/rlm resume book"
    main(["ls", "--runs-dir", str(tmp_path)])
    main(["trian"])
    main(["train"])
    printed = capsys.readouterr().err
    assert ".venv/bin/rlm train FILE" in printed
    assert "See: .venv/bin/rlm --help" in printed
    assert "See: .venv/bin/rlm train --help" in printed
    main(["ls", "--runs-dir", str(tmp_path)])
    assert in_cli_words("{ls}") == ".venv/bin/rlm ls", "a folder is typed for one command"


@pytest.mark.usefixtures("called_by_path")
def test_help_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["pause", "--help"])
    printed = capsys.readouterr().out
    assert "Usage: .venv/bin/rlm pause" in printed
    assert " .venv/bin/rlm pause book" in printed


def test_process_names_its_python(rlm) -> None:
    assert f"{sys.executable} -m rlm_cli train FILE" in rlm("ls").stderr


def test_the_start_of_the_process_is_known_only_where_rlm_is_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(program, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(program, "_started", None)
    assert program.seconds_since_start() == 0.0
    program.note_start()
    clock.now += 1.5
    assert program.seconds_since_start() == 1.5
