"""A value that the parser refuses is named with its source."""

from pathlib import Path

import pytest

from rlm_cli.app import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "2.5"], "--steps is '2.5', which is not a whole number."),
        (["--minutes", "soon"], "--minutes is 'soon', which is not a number."),
        (["--seed", "-1"], "--seed is -1; it must be 0 or more."),
        (["--replay", "2"], "--replay is 2; it must be at most 0.99."),
        (["--steps", "x" * 500], f"--steps is '{'x' * 60}...', which is not a whole number."),
    ],
)
def test_a_flag_is_named_with_its_value(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["train", "book.txt", *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plot", "--x", "bananas"], "--x is 'bananas', which is not one of 'step', 'tokens', 'time'."),
        (["plot", "--out", "."], "--out is '.', which is a folder and no file."),
        (["ls", "--runs-dir", "a.txt"], "--runs-dir is 'a.txt', which is a file and no folder."),
    ],
)
def test_a_choice_and_a_path_are_refused_plainly(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}\n")


def test_a_variable_and_a_file_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('steps = "many"\n')
    assert main(["train", "book.txt", "--config", str(config)]) == 2
    assert "steps in the --config file is 'many'" in capsys.readouterr().err
    monkeypatch.setenv("RLM_X", "bananas")
    assert main(["plot"]) == 2
    assert "RLM_X is 'bananas', which is not one of" in capsys.readouterr().err
    monkeypatch.setenv("RLM_STEPS", "abc")
    assert main(["train", "book.txt"]) == 2
    assert "RLM_STEPS is 'abc', which is not a whole number." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["resume", "book", "--steps"], ["resume", "--bogus"]])
def test_the_hint_names_the_help_of_the_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    assert "resume --help" in capsys.readouterr().err
