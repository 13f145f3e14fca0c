"""Where two encodings of a text are close, the user is asked on a terminal, and warned without one."""

from pathlib import Path

import pytest

from rlm_cli.app import main
from tests.rlm_cli.test_choose_run import answering

PAGE = "Fata a plecat în pădure și a găsit o căsuță mică, în care trăia un bătrân.\n" * 40
ANALYZE = "analyze page.txt --reference plain.txt"
SMALL = "--d-model 16 --heads 2 --context 16 --steps 2 --threads 1 --dry-run"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "page.txt").write_bytes(PAGE.encode("iso8859_16"))
    (tmp_path / "plain.txt").write_text("The crow sat on a tree, and the fox sat below it.\n" * 400)
    return tmp_path


@pytest.mark.parametrize("command", [ANALYZE, f"train page.txt {SMALL}"])
@pytest.mark.parametrize("answers", [("2",), ("3", "iso8859_16")])
def test_the_user_chooses_by_the_words(
    command: str,
    answers: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    questions = answering(monkeypatch, *answers)
    assert main(command.split()) == 0
    shown = capsys.readouterr().err
    assert "şi, căsuţă  cp1250" in shown and "și, căsuță  iso8859_16" in shown
    assert len(questions) == len(answers) and "read as" not in shown


def test_the_user_may_cancel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answering(monkeypatch, "")
    assert main(ANALYZE.split()) == 0
    captured = capsys.readouterr()
    assert not captured.out and "Nothing was changed" in captured.err


@pytest.mark.parametrize("command", [ANALYZE, f"train page.txt --quiet {SMALL}"])
def test_without_a_terminal_both_encodings_and_the_option_are_named(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 0
    shown = " ".join(capsys.readouterr().err.split())
    assert "read as cp1250 (şi, căsuţă), and may be iso8859_16 (și, căsuță)." in shown
    assert shown.count("name the encoding: --encoding NAME") == 1


def test_a_named_encoding_is_no_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch)
    assert main([*ANALYZE.split(), "--encoding", "iso8859_16"]) == 0
    assert "read as" not in capsys.readouterr().err
