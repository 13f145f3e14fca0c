"""`rlm train --dry-run` for several processes and for machines that are not here."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.planning import measured_speed
from rlm_cli.app import main

Arguments = list[str]
SMALL = ["--d-model", "32", "--heads", "2", "--context", "32", "--steps", "10"]
H100 = ["--dry-run", "--device", "h100"]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arguments:
    """A training of a book in an empty folder, where nothing may connect."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: 1 / 0)
    sentences = [f"The owl {n} counted {n * 7 % 31} mice by the old mill. " for n in range(400)]
    (tmp_path / "book.txt").write_text("".join(sentences))
    return ["train", "book.txt"]


def planned(capsys: pytest.CaptureFixture[str], arguments: Arguments) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_machine_that_is_not_here_is_planned_for(
    book: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [*book, *SMALL, *H100, "--nproc", "64", "--batch-size", "128"]
    assert main(many) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["processes"].strip() == "64, each on h100: 989 TFLOP/s, of which 40 % are reached"
    assert rows["a step"].strip().startswith("4,096 tokens, ")
    assert {"link", "memory of each", "its time", "speed", "limit"} <= rows.keys() and "memory" not in rows
    plan = planned(capsys, many)
    found = plan["scaling"]
    assert plan["training"]["device"] == found["device"] == "h100" and plan["number_format"] == "bfloat16"
    assert plan["memory_bytes"] == found["memory_bytes"] and not found["is_measured"]
    assert plan["expected_seconds"] == round(10 * found["tokens"] / found["tokens_per_second"], 1)
    assert 0 < found["efficiency"] < 1 and found["processes"] == 64 and found["bytes_exchanged"] > 0
    assert not Path("runs").exists()


@pytest.mark.parametrize("length", [[], ["--minutes", "8"], ["--epochs", "12"]])
def test_what_is_left_open_is_planned_for_a_machine_whose_speed_is_not_known(
    book: Arguments, capsys: pytest.CaptureFixture[str], length: Arguments
) -> None:
    plan = planned(capsys, [*book, *H100, "--nproc", "64", *length])
    assert plan["training"]["batch_size"] == 64, "one sequence for each process"
    assert plan["model"]["d_model"] == 96 and plan["scaling"]["tokens"] == 64 * 128
    assert plan["model"]["dropout"] == plan["training"]["weight_decay"] == 0.0


def test_figures_of_the_machine_can_be_set(
    book: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slow.toml").write_text('[machine]\nlink_latency = "1ms"\nutilisation = 0.2\n')
    four = [*book, *SMALL, *H100, "--nproc", "4"]
    usual, slow, typed = (
        planned(capsys, [*four, *more])["scaling"]
        for more in ([], ["--config", "slow.toml"], ["--config", "slow.toml", "--link-latency", "2ms"])
    )
    assert slow["link"] == {"bandwidth": 450e9, "latency_s": 1e-3} and typed["link"]["latency_s"] == 2e-3
    assert usual["computing_s"] < slow["computing_s"] < 2 * usual["computing_s"] + 1e-12
    assert usual["exchanging_s"] < slow["exchanging_s"] < typed["exchanging_s"]
    half = planned(capsys, [*four, "--link-bandwidth", "1Mbit/s", "--set", "machine.devices=2"])["scaling"]
    assert half["link"]["bandwidth"] == 125_000


def test_the_memory_of_that_machine_counts_and_not_of_this_one(
    book: Arguments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: 1 / 0)
    assert planned(capsys, [*book, *SMALL, *H100])["scaling"]["processes"] == 1
    assert main([*book, *SMALL, *H100, "--set", "machine.memory=1MB"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "in each process, and h100 has 1.0 MB. Choose a smaller width" in error


def test_processes_of_this_machine_are_measured(
    book: Arguments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measured_speed, "TIMED_S", 0.02)
    two = [*book, *SMALL, "--dry-run", "--device", "cpu", "--threads", "1", "--nproc", "2"]
    found = planned(capsys, two)["scaling"]
    assert found["is_measured"] and found["machine"] is None and found["threads"] == 1
    assert found["link"]["bandwidth"] > 0 and 0 < found["efficiency"] < 1
    Path("gpu.toml").write_text('[machine]\nmemory = "80GB"\nlink_latency = 0.5\n')
    slow = planned(capsys, [*two, "--config", "gpu.toml"])["scaling"]
    assert slow["link"]["latency_s"] == 0.5 and slow["exchanging_s"] > 1
    assert main([*two, "--set", "machine.memory=1TB"]) == 2
    assert "is for a device that is not here" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "h100"], "This machine has no device 'h100'."),
        (["--dry-run", "--device", "abacus"], "This machine has no device 'abacus'"),
        (["--link-latency", "1ms"], "--link-latency is for a plan. Add --dry-run."),
        (["--set", "machine.memory=9GB"], "--set machine.memory is for a plan."),
        ([*H100, "--link-bandwidth", "fast"], "--link-bandwidth is 'fast', which is not a number"),
        ([*H100, "--number-format", "float32"], "is known for bfloat16, not for float32. Add the speed"),
        ([*H100, "--continue", "fox"], "can go on only with a device of this machine"),
        ([*H100, "--nproc", "64", "--batch-size", "32"], "cannot be divided among 64 processes"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(
    book: Arguments, capsys: pytest.CaptureFixture[str], words: Arguments, said: str
) -> None:
    assert main([*book, *SMALL, *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not Path("runs").exists()


def test_puzzles_and_problems_are_planned_too(book: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    for task in (["sudoku:4x4", "--count", "40"], ["compose:s3"]):
        found = planned(capsys, ["train", "--task", *task, "--steps", "5", *H100, "--nproc", "8"])
        assert found["scaling"]["efficiency"] < 1 and found["number_format"] == "bfloat16"
