"""`rlm export` and `rlm import`, in this process."""

import json
from pathlib import Path

import pytest

from rlm_cli.app import main
from tests.models.export.conftest import make_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs", "transformer")
    return tmp_path / "runs"


def test_a_run_goes_out_and_comes_back(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "owl", "--to", "hf", "out", "--mode", "fast", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mode"] == "fast" and set(told["files"]) == {path.name for path in Path("out").iterdir()}
    assert "rlm export owl --to hf out --mode fast" in Path("out/README.md").read_text(encoding="utf-8")
    assert main(["import", "out"]) == 0
    shown = capsys.readouterr()
    assert "owl-2" in shown.out and "2.3750 on text that was held out" in shown.out
    assert "chat owl-2" in shown.err
    assert (runs / "owl-2" / "config.json").exists()


def test_mistakes_are_told_with_what_to_type(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "owl", "out"]) == 0
    assert main(["export", "owl", "out"]) == 2
    assert "Give another folder, or replace it: --force" in capsys.readouterr().err
    assert main(["export", "owl", "out", "--force", "--quiet"]) == 0
    assert main(["export", "owl", "out", "--repository", "a/b"]) == 2
    assert main(["import", "runs/owl"]) == 2
    assert "copy RUN NEW" in capsys.readouterr().err
