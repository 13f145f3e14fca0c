"""`rlm recover-tokenizer`: its output, its exit codes and its errors."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.character_tokenizer import CharacterTokenizer
from models.planning.create import plan_creation
from models.runs.run import Run
from models.runs.run_config import DataSection
from rlm_cli.app import main
from tests.requests import create_request

CHARACTERS = "\n abcdefghij"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A character run whose text is gone: only copies of its tokenizer are left."""
    monkeypatch.setenv("RLM_RUNS_DIR", str(tmp_path / "runs"))
    tokenizer = CharacterTokenizer(CHARACTERS)
    tokenizer.save(tmp_path / "tokenizer.json")
    request = create_request(
        name="owl",
        architecture="transformer",
        d_model=16,
        n_heads=2,
        context_length=16,
        tokenizer=str(tmp_path / "tokenizer.json"),
    )
    made = plan_creation(request, tmp_path / "runs").start()
    data = {"paths": ("gone.txt",), "content_hash": "0" * 64, "kind": "text", "tokenizer": "character"}
    made.save_config(
        replace(made.config(), started_at=0.0, data=DataSection(**data, tokenizer_hash=tokenizer.hash))
    )
    return made


def without_copies(run: Run) -> None:
    from models.runs.checkpoint import load_weights, save_weights

    weights, metadata = load_weights(run.weights_path)
    metadata.pop("tokenizer")
    save_weights(run, weights, metadata)
    run.tokenizer_path.unlink()


def test_check_sets_the_exit_code(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover-tokenizer", "owl", "--check"]) == 0
    assert "sound" in capsys.readouterr().out
    run.tokenizer_path.write_text("{")
    assert main(["recover-tokenizer", "owl", "--check", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["run"] == "owl" and report["sound"] is False
    assert [finding["name"] for finding in report["findings"]] == ["truncated"]
    assert run.tokenizer_path.read_text() == "{"


def test_repair(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    original = run.tokenizer_path.read_bytes()
    run.tokenizer_path.write_text("gibberish")
    assert main(["recover-tokenizer", "owl"]) == 0
    printed = capsys.readouterr().out
    assert "not-json" in printed and "model.safetensors" in printed and "tokenizer.json.1" in printed
    assert run.tokenizer_path.read_bytes() == original
    assert main(["recover-tokenizer", "owl", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sound"] is True and report["repaired"] is None and report["reconstruction"] is None


def test_repair_as_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.tokenizer_path.unlink()
    assert main(["recover-tokenizer", "owl", "--json"]) == 0
    repaired = json.loads(capsys.readouterr().out)["repaired"]
    assert repaired["source"] == "weights" and repaired["verified"] == "hash" and repaired["backup"] is None


def test_no_copy_is_left(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    without_copies(run)
    assert main(["recover-tokenizer", "owl"]) == 1
    assert "--like" in capsys.readouterr().err
    assert not run.tokenizer_path.exists()


def test_an_unusable_reference_text(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without_copies(run)
    short, binary = tmp_path / "short.txt", tmp_path / "binary.txt"
    short.write_text("a bad egg\n" * 10)
    binary.write_bytes(bytes(range(256)) * 100)
    for path, status in ((short, 2), (binary, 1), (tmp_path / "gone.txt", 2)):
        assert main(["recover-tokenizer", "owl", "--like", str(path)]) == status
        error = capsys.readouterr().err
        assert "error:" in error and "Traceback" not in error
    assert not run.tokenizer_path.exists()


def test_a_model_that_cannot_read_the_reference_text(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_copies(run)
    like = tmp_path / "like.txt"
    like.write_bytes("a bad egg had a big head, là, près du café\n".encode("cp1252") * 300)
    command = ["recover-tokenizer", "owl", "--like", str(like)]
    assert main(command) == 1  # it was never trained
    error = " ".join(capsys.readouterr().err.split())
    assert "not in the language" in error and "read as cp1252" in error and "--encoding NAME" in error
    assert main([*command, "--encoding", "nonsense"]) == 2
    assert "no text encoding 'nonsense'" in capsys.readouterr().err
    assert not run.tokenizer_path.exists()


def test_usage_errors_and_failures(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover-tokenizer", "nobody"]) == 2
    assert main(["recover-tokenizer", "owl", "--check", "--like", str(tmp_path / "x.txt")]) == 2
    config = run.config()
    run.save_config(replace(config, data=replace(config.data, kind="puzzles")))
    assert main(["recover-tokenizer", "owl"]) == 1
    assert "knows no text" in capsys.readouterr().err
    run.tokenizer_path.unlink()
    run.save_config(replace(config, data=replace(config.data, tokenizer="bpe")))
    without = run.path / "model.safetensors"
    without.unlink()
    assert main(["recover-tokenizer", "owl"]) == 1
    assert "only character models" in capsys.readouterr().err


@pytest.mark.usefixtures("impatient")
def test_a_locked_run_is_only_checked(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.tokenizer_path.unlink()
    with run.lock():
        assert main(["recover-tokenizer", "owl", "--check"]) == 1
        assert main(["recover-tokenizer", "owl"]) == 1
    assert "is writing to run" in capsys.readouterr().err
    assert not run.tokenizer_path.exists()


def test_the_next_command_is_shown_after_a_repair(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.tokenizer_path.unlink()
    assert main(["recover-tokenizer", "owl"]) == 0
    assert "rlm chat owl" in capsys.readouterr().err
    run.tokenizer_path.rename(run.path / "tokenizer.json.1")
    run.weights_path.unlink()
    assert main(["recover-tokenizer", "owl"]) == 0  # without weights there is nothing to chat with
    printed = capsys.readouterr()
    assert (
        "Restored from tokenizer.json.1; the hash matches." in printed.out and "rlm chat" not in printed.err
    )


def test_an_empty_standard_input(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_copies(run)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert main(["recover-tokenizer", "owl", "--like", "-"]) == 1
    printed = capsys.readouterr().err
    assert "Nothing came from standard input" in printed and "rlm train" not in printed
