"""`rlm train --task` and `rlm solve` with a very small model."""

import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data.errors import StorageError
from rlm_cli.app import main

PUZZLE = "1...|..3.|.4..|...2"
TINY = [
    "--d-model", "32", "--batch-size", "4", "--threads", "1", "--device", "cpu", "--number-format", "float32",
    "--set", "training.evaluations=1", "--set", "model.supervision_steps=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run that was trained for three steps."""
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        assert (
            main(["train", "--task", "sudoku:4x4", "--count", "40", "--steps", "3", "--name", "four", *TINY])
            == 0
        )
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def solved(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["solve", "four", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def test_last_event_has_the_puzzle_scores(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "train",
        "--task",
        "sudoku:4x4",
        "--count",
        "40",
        "--steps",
        "2",
        "--name",
        "events",
        "--json",
    ]
    assert main([*arguments, "--arch", "hrm", *TINY]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = lines[-1]
    assert last["event"] == "run_finished"
    assert 0 <= last["exact_accuracy"] <= 1
    assert 0 < last["cell_accuracy"] <= 1
    assert 1 <= last["mean_exit_step"] <= 4


def test_dry_run_shows_the_plan_only(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert (
        main(["train", "--task", "sudoku:4x4", "--count", "40", "--name", "dry", "--dry-run", "--json"]) == 0
    )
    plan = json.loads(capsys.readouterr().out)
    assert plan["puzzles"]["puzzles"] == 36
    assert plan["model"]["task"] == "sudoku"
    assert plan["training"]["minutes"] > 0
    assert not (home / "runs" / "dry").exists()


def test_answer_is_drawn_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["solve", "four", PUZZLE, "--max-steps", "3", "--trace"]) == 0
    out = capsys.readouterr().out
    assert "step 1: 12 cells filled" in out
    assert "step 3: " in out
    assert "3 steps, " in out
    assert out.count("┌") == 3


def test_json_has_the_answer_and_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, PUZZLE, "--max-steps", "5", "--trace")
    (result,) = found["results"]
    assert found["max_steps"] == 5 and found["trained_steps"] == 2
    assert result["puzzle"] == "1.....3..4.....2"
    assert len(result["answer"]) == 16 and result["answer"][0] == "1"
    assert result["steps"] == len(result["trace"]) == len(result["cells_changed"]) <= 5
    assert result["cells_changed"][0] == 12
    assert result["trace"][-1] == result["answer"]
    assert isinstance(result["valid"], bool)
    assert found["valid"] == int(result["valid"])
    assert "trace" not in solved(capsys, PUZZLE)["results"][0]


def test_puzzles_come_from_a_file_and_from_standard_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, table = tmp_path / "two.txt", tmp_path / "two.csv"
    line = PUZZLE.replace("|", "")
    plain.write_text(f"{line}\n{line}\n")
    table.write_text(f"id,quiz,solution\n7,{line},\n8,{line},\n")
    for path in (plain, table):
        assert [one["puzzle"] for one in solved(capsys, str(path))["results"]] == ["1.....3..4.....2"] * 2
    stream = io.TextIOWrapper(io.BytesIO(table.read_bytes()))
    monkeypatch.setattr("sys.stdin", stream)
    assert len(solved(capsys, "-")["results"]) == 2


def test_compressed_and_quoted_csv_is_read_and_errors_name_the_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = PUZZLE.replace("|", "")
    packed = tmp_path / "two.csv.gz"
    packed.write_bytes(gzip.compress(f'rating,"puzzle"\n3,"{line}"\n4,"{line}"\n'.encode()))
    assert [one["puzzle"] for one in solved(capsys, str(packed))["results"]] == ["1.....3..4.....2"] * 2
    broken = tmp_path / "broken.csv"
    for fault, words in (
        (line[1:], "has 15 cells"),
        ("." * 16, "has more than one solution"),
        ("." * 36, "solves 4×4 grids"),
    ):
        broken.write_text(f"puzzle,solution\n{line},\n\n{fault},\n")
        error = refused(capsys, "solve", "four", str(broken)).replace("\n", " ")
        assert "Line 4 of 'broken.csv': " in error and words in error


def test_valid_answers_are_written_to_a_csv(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from data.sudoku_generator import generate
    from data.sudoku_text import grid_line

    puzzle, solution = next(generate(4, 1, (8, 8), seed=2))
    answer = "data.sudoku_kind.is_solution_of"
    monkeypatch.setattr(answer, lambda answers, grids: (grids == puzzle).all(axis=1))
    some, out = tmp_path / "some.txt", tmp_path / "answers.csv"
    some.write_text(f"{grid_line(puzzle)}\n{PUZZLE}\n")
    (first, _) = solved(capsys, str(some), "--out", str(out))["results"]
    assert out.read_text() == f"puzzle,solution\n{grid_line(puzzle)},{first['answer']}\n"
    assert len(solution) == len(first["answer"])
    assert main(["solve", "four", PUZZLE, "--out", str(tmp_path / "no" / "where.csv")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_out_file_is_overwritten_only_with_force(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    out.write_text("mine")
    error = refused(capsys, "solve", "four", PUZZLE, "--out", str(out))
    assert "already exists" in error and "--force" in error and out.read_text() == "mine"
    solved(capsys, PUZZLE, "--out", str(out), "--force")
    assert out.read_text().startswith("puzzle,solution\n")


def test_answers_that_cannot_be_written_are_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr("data.puzzle_file.write_puzzles", full)
    capsys.readouterr()
    assert main(["solve", "four", PUZZLE, "--out", str(tmp_path / "answers.csv"), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["results"]) == 1


def test_out_never_replaces_a_special_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    error = refused(capsys, "solve", "four", PUZZLE, "--out", str(tmp_path / "pipe"), "--force")
    assert "already exists" in error and (tmp_path / "pipe").is_fifo()


def test_clues_and_changes_have_different_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    assert main(["solve", "four", PUZZLE, "--max-steps", "1"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr("rlm_cli.output.stdout_is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["solve", "four", PUZZLE, "--max-steps", "1"]) == 0
    out = capsys.readouterr().out
    assert "\x1b[32m" in out  # filled in
    assert out.count("\x1b[32m") == 12
    assert "1 " in out


@pytest.mark.parametrize(
    ("puzzle", "words"),
    [
        ("1...", "has 4 cells"),
        ("9...............", "has the digit 9"),
        ("11..............", "row 1 has two 1s"),
        ("................", "more than one solution"),
        ("12..34.......4..", "no solution"),
        ("." * 36, "solves 4×4 grids"),
        ("missing.txt", "'missing.txt' is neither a file nor a puzzle"),
    ],
)
def test_invalid_puzzles_are_refused(capsys: pytest.CaptureFixture[str], puzzle: str, words: str) -> None:
    error = refused(capsys, "solve", "four", puzzle)
    assert words in error.replace("\n", " ")


def test_a_run_of_puzzles_writes_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert "solves puzzles" in refused(capsys, "generate", "four", "-p", "hello")


def test_a_run_of_text_solves_nothing(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    (home / "book.txt").write_text("The owl counted mice by the old mill. " * 200)
    tiny = ["--d-model", "32", "--heads", "2", "--context", "16", "--batch-size", "2", "--threads", "1"]
    assert main(["train", "book.txt", "--name", "book", "--steps", "1", *tiny]) == 0
    assert "solves no puzzles" in refused(capsys, "solve", "book", PUZZLE)


def test_the_mixer_is_for_puzzles(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    (home / "short.txt").write_text("The owl counted mice by the old mill. " * 200)
    error = refused(capsys, "train", "short.txt", "--arch", "trm", "--set", "model.mixer=mlp")
    assert "model.mixer" in error
    assert "no text" not in error
    mixed = [
        "--task",
        "sudoku:4x4",
        "--count",
        "40",
        "--steps",
        "1",
        "--name",
        "mixed",
        "--set",
        "model.mixer=mlp",
    ]
    assert main(["train", *mixed, *TINY]) == 0
    assert "cannot learn text" in refused(
        capsys, "train", "short.txt", "--arch", "trm", "--set", "model.task=sudoku"
    )


def test_puzzles_from_a_csv_can_be_learned(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from data.sudoku_generator import generate
    from data.sudoku_text import grid_line

    rows = [f"{grid_line(puzzle)},{grid_line(solution)}" for puzzle, solution in generate(4, 30, seed=9)]
    packed = tmp_path / "mine.csv.gz"
    packed.write_bytes(gzip.compress(("puzzle,solution\n" + "\n".join([*rows, "1..,"])).encode()))
    assert main(["train", "--task", "sudoku", str(packed), "--steps", "1", *TINY]) == 0
    assert "1 of 31 rows" in capsys.readouterr().err
    assert main(["show", "mine", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["status"] == "finished"
    assert shown["evaluation"]["puzzles"] == 3
    assert main(["show", "mine"]) == 0
    assert "% of the grids" in capsys.readouterr().out
    assert main(["ls"]) == 0
    assert "mine" in capsys.readouterr().out


def test_a_puzzle_can_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    puzzle = solved(capsys, "--random")["results"][0]["puzzle"]
    assert len(puzzle) == 16 and 0 < puzzle.count(".") + puzzle.count("0") < 16
    assert "solve four --random" in refused(capsys, "solve", "four")
    assert "exclude each other" in refused(capsys, "solve", "four", PUZZLE, "--random")
