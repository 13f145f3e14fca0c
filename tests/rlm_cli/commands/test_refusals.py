"""What the instruments say where there is nothing to look at: one plain sentence, and the same codes."""

from pathlib import Path

import pytest

from models.runs.run import Run
from rlm_cli.app import main
from tests.models.runs.example_config import CREATED

INSTRUMENTS = [["plot"], ["verify"], ["trace", "-p", "a"], ["analyze"], ["benchmark", "depth"]]
INSTRUMENTS += [["benchmark", "speed"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an untrained run, an empty folder and an empty file."""
    monkeypatch.chdir(tmp_path)
    Run.create("bare", tmp_path / "runs").save_config(CREATED)
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.json").touch()
    return tmp_path


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=" ".join)
@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("nothing", 2, "There is no run 'nothing'."),
        ("bare", 1, "Run 'bare'"),
        ("folder", 1, "is not a run: it has no config.json."),
    ],
)
def test_an_instrument_says_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str], instrument: list[str], given: str, code: int, words: str
) -> None:
    command, *more = instrument if instrument[0] != "benchmark" else [" ".join(instrument)]
    assert main([*command.split(), given, *more, "--json"]) == code
    out, err = capsys.readouterr()
    sentence, hint, *rest = err.splitlines()
    assert out == "" and not rest
    assert sentence.startswith("error: ") and words in sentence and hint


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nothing", "There is no file 'nothing'."),
        ("folder", "'folder' cannot be read: it is not a plain file."),
        ("empty.json", "'empty.json' is no JSON."),
    ],
)
def test_a_result_that_cannot_be_compared_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], given: str, words: str
) -> None:
    assert main(["benchmark", "compare", given, given, "--json"]) == 2
    out, err = capsys.readouterr()
    sentence, hint = err.splitlines()
    assert out == "" and sentence == f"error: {words}" and "--json" in hint
