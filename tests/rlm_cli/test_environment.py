"""What the command line reads from the environment, and that nothing below it reads any."""

import ast
import os
from pathlib import Path

import pytest

from data.cache import cache_dir, set_cache_dir
from data.errors import StorageError, UsageError
from rlm_cli.app import main
from rlm_cli.environment import read_environment, runs_dir

ROOT = Path(__file__).parents[2]
READERS = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def test_a_typed_runs_folder_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RLM_RUNS_DIR", raising=False)
    monkeypatch.delenv("RLM_HOME", raising=False)
    assert runs_dir() == Path("runs")
    monkeypatch.setenv("RLM_HOME", "/home/of/models")
    assert runs_dir() == Path("/home/of/models/runs")
    monkeypatch.setenv("RLM_RUNS_DIR", "/elsewhere")
    assert runs_dir() == Path("/elsewhere")
    assert runs_dir("typed") == Path("typed")


def test_the_home_of_an_unknown_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no home folder"):
        runs_dir("~nobody-of-that-name/runs")
    monkeypatch.setenv("RLM_RUNS_DIR", "~nobody-of-that-name/runs")
    with pytest.raises(UsageError, match="no home folder"):
        runs_dir()


@pytest.mark.parametrize("task", [[], ["--task", "sudoku"]])
def test_a_file_of_an_unknown_user_is_not_found(task: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "~nobody-of-that-name/x.csv", *task]) == 2
    assert "There is no file" in capsys.readouterr().err


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    assert main(["ls", "--runs-dir", str(tmp_path)]) == 0
    assert cache_dir() == tmp_path / "cache"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RLM_STPES", "RLM_STEPS"),
        ("RLM_CONTXT", "RLM_CONTEXT"),
        ("RLM_RUN_DIR", "RLM_RUNS_DIR"),
        ("RLM_CACHEDIR", "RLM_CACHE_DIR"),
    ],
)
def test_a_misspelt_variable_is_told_once_with_the_nearest_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    meant: str,
) -> None:
    monkeypatch.setenv(name, "7")
    sentence = f"The environment variable {name} is not known. Did you mean {meant}?"
    for times in (1, 0):  # a process that is started from here does not tell it again
        assert main(["ls", "--json", "--runs-dir", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert " ".join(err.split()).count(sentence) == times and out == "[]\n"


def test_known_variables_and_those_of_other_programs_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLM_HOME", str(tmp_path))
    for name in ("RLM_STEPS", "RLM_SEED", "RLM_KEY", "RLM_MEETING_FILE", "RLM_LICENSE", "RLM_PROJECT"):
        monkeypatch.setenv(name, "7")
    assert main(["ls"]) == 0
    assert "environment" not in capsys.readouterr().err


def test_without_a_home_the_cache_is_refused_and_no_folder_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: "~/.cache/rlm")
    set_cache_dir(None)
    with pytest.raises(StorageError, match="no home folder"):
        cache_dir()

    def refused(*_: object, **__: object) -> str:  # as newer versions do
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_dir", refused)
    with pytest.raises(StorageError, match="no home folder") as caught:
        cache_dir()
    assert "RLM_CACHE_DIR" in str(caught.value.hint) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", ["a file/x", "a file"])
def test_an_unusable_compiler_cache_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / given))
    read_environment()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache" / "compiled")
    usable = tmp_path / "mine"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(usable))
    read_environment()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(usable)
    monkeypatch.delenv("RLM_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "system"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["ls", "--runs-dir", str(tmp_path)]) == 0
    assert cache_dir().is_relative_to(tmp_path) and cache_dir() != tmp_path / "cache"


@pytest.mark.parametrize("package", ["models", "data"])
def test_the_core_reads_no_environment_variable(package: str) -> None:
    paths = list((ROOT / package).rglob("*.py"))
    assert paths
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {getattr(node, attribute, None) for attribute in ("attr", "id", "name")}
            assert not names & READERS, f"{path}:{getattr(node, 'lineno', 0)}"


def test_the_words_that_are_looked_for_exist() -> None:
    assert all(hasattr(os, name) for name in ("environ", "getenv", "putenv", "unsetenv"))
