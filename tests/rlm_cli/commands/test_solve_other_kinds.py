"""`rlm train --task maze` and `--task grid`, and `rlm solve` of both, with very small models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.maze_generator import generate
from data.maze_text import maze_line
from rlm_cli.app import main

TINY = [
    "--d-model", "40", "--batch-size", "4", "--threads", "1", "--device", "cpu", "--number-format", "float32",
    "--set", "training.evaluations=1", "--set", "model.supervision_steps=2",
]  # fmt: skip
MAZE, SOLUTION = next(generate(9, 1, seed=5))
DRAWN = "\n".join(maze_line(MAZE)[start : start + 9] for start in range(0, 81, 9))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of mazes and one of strings, each trained for two steps."""
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        numbers = [f"{7919 * number % 10**4:04}" for number in range(1, 61)]
        rows = "".join(f"{one},{one[::-1]}\n" for one in numbers)
        (folder / "pairs.csv").write_text(f"input,target\n{rows}12,21\n")
        assert main(["train", "--task", "maze:9x9", "--count", "40", "--steps", "2", *TINY]) == 0
        assert main(["train", "--task", "grid", "pairs.csv", "--steps", "2", *TINY]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def solved(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["solve", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert not captured.out
    return " ".join(captured.err.split())


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: np.ndarray) -> None:
    """Have every model give this answer after each step."""
    from models.architectures.puzzle_model import PuzzleModel

    def answers(model: PuzzleModel, thought: object, puzzles: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(answer.astype(np.int64)).expand_as(puzzles)

    monkeypatch.setattr(PuzzleModel, "answers", answers)


def test_a_maze_comes_from_a_file_a_table_and_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = maze_line(MAZE)
    text, table = tmp_path / "maze.txt", tmp_path / "mazes.csv"
    text.write_text(f"{DRAWN}\n\n{DRAWN}\n")
    table.write_text(f"maze,solution\n{line},\n{line},{maze_line(SOLUTION)}\n")
    for path in (text, table):
        assert [one["puzzle"] for one in solved(capsys, "maze-9x9", str(path))["results"]] == [line, line]
    for argument in (line, DRAWN, DRAWN.replace("\n", "/")):
        (result,) = solved(capsys, "maze-9x9", argument)["results"]
        assert result["puzzle"] == line and len(result["answer"]) == 81 and "target" not in result


def test_a_right_path_is_valid_and_is_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, SOLUTION)
    out = shown(capsys, "solve", "maze-9x9", maze_line(MAZE), "--trace", "--max-steps", "2")
    marked = maze_line(SOLUTION).count("o")
    assert f"step 1: {marked} cells marked" in out and ", valid" in out
    assert out.count("o ") >= marked and "×" not in out and out.count("┌") == out.count("step ")


def test_a_wrong_path_is_explained_and_marked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, MAZE)
    out = shown(capsys, "solve", "maze-9x9", maze_line(MAZE))
    assert "not valid: the marked cells do not lead from S to G" in out
    assert out.count(" ×") == maze_line(SOLUTION).count("o")
    assert solved(capsys, "maze-9x9", maze_line(MAZE))["valid"] == 0


def test_a_maze_can_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = solved(capsys, "maze-9x9", "--random")["results"]
    assert len(result["puzzle"]) == 81 and result["puzzle"].count("S") == 1


@pytest.mark.parametrize(
    ("puzzle", "words"),
    [
        ("S.G", "has 3 cells"),
        (maze_line(MAZE).replace("S", "."), "has no S"),
        (maze_line(next(generate(10, 1))[0]), "solves 9×9 mazes, but this one is 10×10"),
        ("S#......G" + "##......." + "." * 63, "no way from S to G"),
        ("mazes.txt", "'mazes.txt' is neither a file nor a puzzle"),
    ],
)
def test_what_is_no_maze_is_refused(capsys: pytest.CaptureFixture[str], puzzle: str, words: str) -> None:
    assert words in refused(capsys, "solve", "maze-9x9", puzzle)


def test_a_string_is_answered_and_nothing_is_said_on_whether_it_is_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = solved(capsys, "pairs", "0123")
    (result,) = found["results"]
    assert result["valid"] is None and found["valid"] == 0 and len(result["answer"]) == 4
    out = shown(capsys, "solve", "pairs", "0123", "--max-steps", "1")
    assert out == f"{result['answer']}\n1 step\n" or "1 step" in out
    assert "valid" not in out and "right" not in out


def test_a_string_with_a_target_is_compared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    from models.runs.puzzles import puzzle_kind
    from models.runs.run import Run

    kind = puzzle_kind(Run.open("pairs", home / "runs").config())
    answer_with(monkeypatch, kind.parse("3210"))
    table = tmp_path / "some.csv"
    table.write_text("input,target\n0123,3210\n0123,3211\n0123,\n")
    found = solved(capsys, "pairs", str(table))
    assert [one["valid"] for one in found["results"]] == [True, False, None] and found["valid"] == 1
    assert [one.get("target") for one in found["results"]] == ["3210", "3211", None]
    out = shown(capsys, "solve", "pairs", str(table))
    assert ", right" in out and "not right: the target is 3211" in out and "3210\n   ×\n" in out
    kept = tmp_path / "kept.csv"
    solved(capsys, "pairs", str(table), "--out", str(kept))
    assert kept.read_text() == "input,target\n0123,3210\n0123,3210\n"


def test_a_held_out_string_is_taken_at_random(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = solved(capsys, "pairs", "--random")["results"]
    assert result["target"] == result["puzzle"][::-1]


@pytest.mark.parametrize(
    ("puzzle", "words"),
    [
        ("01x3", "has 'x' in it, which is in no string that was learned"),
        ("012", "solves strings of 4 symbols, but this one has 3"),
        ("some/where", "neither a file nor a puzzle"),
        ("none.csv", "neither a file nor a puzzle"),
    ],
)
def test_what_is_no_string_is_refused(capsys: pytest.CaptureFixture[str], puzzle: str, words: str) -> None:
    assert words in refused(capsys, "solve", "pairs", puzzle)


def test_lists_and_reports_call_them_by_their_kind(capsys: pytest.CaptureFixture[str]) -> None:
    listed = shown(capsys, "ls")
    assert "maze:9x9" in listed and "strings of pairs.csv" in listed
    assert "(36 mazes" in shown(capsys, "show", "maze-9x9") and "% of the mazes" in shown(
        capsys, "show", "maze-9x9"
    )
    report = shown(capsys, "show", "pairs")
    assert "(54 strings" in report and "% of the strings" in report


def test_rows_that_cannot_be_used_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["train", "--task", "grid", "pairs.csv", "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 61 rows of 'pairs.csv' cannot be used (line 62: the input has 2 symbols" in said


def test_a_trace_becomes_a_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "string.html"
    assert main(["trace", "pairs", "-p", "0123", "--html", str(page)]) == 0
    assert "<b>Answered</b>" in page.read_text()
    answer_with(monkeypatch, MAZE)
    page = tmp_path / "maze.html"
    assert main(["trace", "maze-9x9", "-p", maze_line(MAZE), "--html", str(page)]) == 0
    content = page.read_text()
    assert content.count('class="wall') % maze_line(MAZE).count("#") == 0 and 'class="wrong' in content
    assert "do not lead from S to G" in content
