"""`rlm train --task compose:s3`, and what the commands make of such a run."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from models.runs.evaluation import Evaluation
from models.runs.run import Run
from models.training.problems import task as task_module
from rlm_cli.app import main
from rlm_cli.output import Output
from rlm_cli.problem_answers import show_example

TINY = [
    "--d-model", "16", "--batch-size", "4", "--threads", "1", "--device", "cpu", "--number-format", "float32",
    "--set", "training.evaluations=1", "--set", "model.n_heads=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run that was trained for three steps."""
    folder = tmp_path_factory.mktemp("home")
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RLM_CACHE_DIR", str(folder / "cache"))
        patch.setattr(task_module, "CHOOSING", 4)
        patch.setattr(task_module, "FINAL", 8)
        assert main(["train", "--task", "compose:s3:4", "--steps", "3", "--name", "products", *TINY]) == 0
        yield folder
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("RLM_CACHE_DIR", str(home / "cache"))


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def test_a_problem_is_answered_at_every_mode(capsys: pytest.CaptureFixture[str]) -> None:
    found = json_of(capsys, "solve", "products", "cabd")
    (result,) = found["results"]
    assert found["task"] == "compose:s3:4"
    assert result["problem"] == "cabd=" and result["difficulty"] == 4
    assert list(result["modes"]) == ["fast", "normal", "deep", "thorough", "extreme"]
    assert [one["passes"] for one in result["modes"].values()] == [1, 2, 3, 4, 6]
    assert all(one["right"] == (one["answer"] == result["answer"]) for one in result["modes"].values())


def test_a_training_ends_with_a_problem_answered_at_every_mode(capsys: pytest.CaptureFixture[str]) -> None:
    short = ["train", "--task", "compose:s3:2", "--steps", "1", *TINY]
    capsys.readouterr()
    assert main([*short, "--name", "shown"]) == 0
    captured = capsys.readouterr()
    assert (
        "One of its problems, answered" in captured.out and "(2 factors)" in captured.out
    )  # too few to hide
    assert "solve shown --random" in captured.err
    assert main([*short, "--name", "lines", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all("event" in one for one in events)
    assert list(events[-1]["accuracy_by_mode"]["extreme"]) == ["1", "2", "3", "4"]


def test_a_problem_that_is_harder_than_in_training_is_one_that_the_model_never_saw(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Also where those in training are too few to hold some out."""
    short = ["train", "--task", "compose:s3:2", "--steps", "1", *TINY, "--name", "harder"]
    assert main([*short, "--quiet"]) == 0
    measured = Evaluation(step=1, after_steps=1, validation_loss=0.1, accuracy_by_mode={"deep": {"4": 0.9}})
    monkeypatch.setattr(Run, "evaluation", lambda self: measured)
    capsys.readouterr()
    show_example(Run.open("harder", home / "runs"), Output())
    shown = capsys.readouterr().out
    assert "never saw" in shown and "(4 factors, harder than trained)" in shown


def test_a_new_problem_is_as_hard_as_in_training(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = json_of(capsys, "solve", "products", "--random")["results"]
    assert result["difficulty"] == 4


def test_the_answers_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "products", "cabdcab"]) == 0
    out = capsys.readouterr().out
    assert "(7 factors, harder than trained)" in out
    assert "extreme" in out and ("right" in out or "wrong" in out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("solve", "products", "xyz"), "is no problem of compose:s3:4"),
        (("solve", "products", "abc" * 20), "sees"),
        (("solve", "products", "abc", "--trace"), "--trace is for puzzles"),
        (("solve", "products", "abc", "--max-steps", "4"), "--max-steps is for puzzles"),
        (("solve", "products", "abc", "--force"), "--force is for puzzles"),
        (("analyze", "products"), "no text"),
        (("train", "--task", "compose:s9"), "There is no task"),
        (("train", "--task", "sums:0"), "cannot be trained on"),
        (("train", "--task", "chains:four"), "not a whole number"),
        (("train", "--task", "sums:3", "book.txt"), "need no file"),
        (("resume", "products", "--text", "book.txt"), "have no file"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    error = refused(capsys, *arguments)
    assert message in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("compose:s3:1", ("permutations, 1 factor\n", "1 and 2 factors, held out from 3 up")),
        ("chains:2", ("1 to 2 hops", "1, 2, 3 and 4 hops, held out")),
        ("chains", ("1 to 4 hops", "1, 2, 3, 4, 6 and 8 hops, held out")),
    ],
)
def test_a_plan_says_what_is_held_out(
    capsys: pytest.CaptureFixture[str], task: str, words: tuple[str, ...]
) -> None:
    assert main(["train", "--task", task, "--dry-run", *TINY]) == 0
    out = capsys.readouterr().out
    assert all(one in out for one in words)


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("chains", "width 96, 3 heads"),
        ("chains --d-model 64", "width 64, 2 heads"),
        ("chains --d-model 128", "width 128, 4 heads"),
        ("chains --d-model 16", "width 16, 1 head"),
        ("chains --heads 4", "width 96, 4 heads"),
        ("compose:s3", "width 64, 4 heads"),
        ("sums", "width 64, 4 heads"),
    ],
)
def test_a_plan_has_a_shape_that_suits_the_task(
    capsys: pytest.CaptureFixture[str], words: str, shape: str
) -> None:
    assert main(["train", "--task", *words.split(), "--dry-run", "--device", "cpu"]) == 0
    assert shape in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("cab\n\nxyz\n", "Problem 2 of 2: 'xyz' is no problem"),
        ("cab\n" + "a" * 60, "Problem 2 of 2: The problem and its answer have 63 tokens"),
        ("cab\n" * 10_001, "more than 10,000 problems"),
        (" \n", "no problem on standard input"),
    ],
)
def test_all_problems_of_standard_input_are_read_before_one_is_answered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, message: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert message in refused(capsys, "solve", "products", "-")


def test_show_has_right_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "products"]) == 0
    captured = capsys.readouterr()
    out = captured.out
    assert "right answers" in out and "trained up to 4" in out
    assert "nats per character of an answer" in out
    assert "6 passes per token at the trained depth" in out and "held out where there are enough" in out
    assert "solve products --random" in captured.err


def test_the_benchmark_has_a_column_for_each_difficulty(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.benchmark.problem_depth.PROBLEMS", 4)
    found = json_of(capsys, "benchmark", "depth", "products")
    table, leaving = found["tables"]
    assert [row[0] for row in leaving["rows"]] == ["1 factor", *(f"{n} factors" for n in (2, 3, 4))]
    assert all(row[4] <= row[3] == 6 for row in leaving["rows"])
    assert "Leaving early saves" in found["verdicts"][-1]
    assert "From 3 factors up, the training never saw" in found["notes"][0]
    names = [column["name"] for column in table["columns"]]
    assert names[2:8] == ["1 factor", "2 factors", "3 factors", "4 factors", "6 factors", "8 factors"]
    assert [row[0] for row in table["rows"]] == ["1", "2", "3", "4", "6", "8", "12"]
    assert [row[-1] for row in table["rows"]] == [True] * 5 + [False] * 2


def test_a_chat_takes_problems(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"cab=")))
    assert main(["chat", "products"]) == 0
    assert "trained on problems" in capsys.readouterr().err


def test_generate_writes_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["generate", "products", "-p", "cab=", "--temp", "0", "--max-tokens", "2"]) == 0
    assert capsys.readouterr().out.startswith("cab=")


@pytest.mark.parametrize(
    ("accuracy", "difficulty"),
    [
        ({"fast": {"4": 1.0, "6": 0.4}, "extreme": {"4": 1.0, "6": 0.95, "8": 0.3}}, 6),
        ({"fast": {"4": 0.5, "6": 0.4, "8": 0.3}}, 4),
        ({"fast": {"2": 1.0}}, 4),
        ({"fast": {"4": 1.0, "1000000": 1.0, "x": 1.0}}, 4),
        (None, 4),
    ],
)
def test_a_new_problem_is_as_hard_as_a_mode_can_answer(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    accuracy: dict[str, dict[str, float]] | None,
    difficulty: int,
) -> None:
    measured = Evaluation(step=3, after_steps=3, validation_loss=0.1, accuracy_by_mode=accuracy)
    monkeypatch.setattr(Run, "evaluation", lambda self: measured)
    (result,) = json_of(capsys, "solve", "products", "--random")["results"]
    assert result["difficulty"] == difficulty
