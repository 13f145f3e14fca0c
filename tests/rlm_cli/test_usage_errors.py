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


def test_a_variable_and_a_file_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('steps = "many"\n')
    assert main(["train", "book.txt", "--config", str(config)]) == 2
    assert "steps in the --config file is 'many'" in capsys.readouterr().err
    monkeypatch.setenv("RLM_STEPS", "abc")
    assert main(["train", "book.txt"]) == 2
    assert "RLM_STEPS is 'abc', which is not a whole number." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["resume", "book", "--steps"], ["resume", "--bogus"]])
def test_the_hint_names_the_help_of_the_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    assert "resume --help" in capsys.readouterr().err
