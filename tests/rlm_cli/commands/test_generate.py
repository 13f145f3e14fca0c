"""`rlm generate`: passes, cache sizes and early halting."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from models.runs.run import Run
from rlm_cli.app import main
from rlm_cli.generation_options import resolve_settings

WIDTH = 32
TINY = [
    "--d-model", str(WIDTH), "--heads", "2", "--context", "16", "--batch-size", "2", "--threads", "1",
    "--device", "cpu", "--number-format", "float32", "--steps", "1", "--set", "training.evaluations=1",
    "--set", "training.samples=0",
]  # fmt: skip
ARCHITECTURES = ("looped", "ouroboros")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of each kind of cache, each trained for one step."""
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    (folder / "book.txt").write_text("The owl counted mice by the old mill. " * 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        for name in ARCHITECTURES:
            assert main(["train", "book.txt", "--arch", name, "--name", name, *TINY]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def written(capsys: pytest.CaptureFixture[str], run: str, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["generate", run, "-p", "The", "--max-tokens", "4", "--seed", "1", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_cache_bytes_match_the_formula(capsys: pytest.CaptureFixture[str]) -> None:
    for mode, passes in (("fast", 1), ("normal", 2)):
        looped, latent = (written(capsys, name, "--mode", mode) for name in ARCHITECTURES)
        assert looped["cache_bytes_per_token_and_pass"] == 4 * 2 * WIDTH  # a key and a value of 32 bits
        assert looped["cache_bytes_per_token"] == (passes + 2) * 4 * 2 * WIDTH  # prelude and coda
        assert latent["cache_bytes_per_token_and_pass"] == 4 * WIDTH // 4
        assert latent["cache_bytes_per_token"] == passes * 4 * WIDTH // 4
        assert looped["cache_bytes_per_token_and_pass"] >= 4 * latent["cache_bytes_per_token_and_pass"]


def test_no_halt_overrides_the_run(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    settings_file = home / "runs" / "looped" / "generation_config.json"
    assert written(capsys, "looped")["settings"]["halt"] is False
    settings_file.write_text(json.dumps({"halt": True, "halt_threshold": 0.0}))
    try:
        left = written(capsys, "looped", "--mode", "normal")
        stayed = written(capsys, "looped", "--mode", "normal", "--no-halt")
    finally:
        settings_file.unlink()
    assert (left["settings"]["halt"], left["passes_per_token"]) == (True, 1)
    assert (stayed["settings"]["halt"], stayed["passes_per_token"]) == (False, 2)


def test_no_halt_overrides_the_conversation(home: Path) -> None:
    run = Run.open("looped", home / "runs")
    conversation = {"halt": True, "halt_threshold": 0.5}
    for typed, expected in ((None, True), (False, False), (True, True)):
        _, settings = resolve_settings(
            run, mode=None, natural=False, halt=typed, stop=None, conversation=conversation
        )
        assert settings.halt is expected
    assert resolve_settings(run, mode=None, natural=False, halt=None, stop=None)[1].halt is False


def test_no_halt_and_a_threshold_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["generate", "looped", "-p", "The", "--no-halt", "--halt-threshold", "0.5"]) == 2
    assert "--no-halt and --halt-threshold exclude each other" in capsys.readouterr().err
