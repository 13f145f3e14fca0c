"""What is refused of a request for puzzles, in one sentence and before a puzzle is made or read."""

from pathlib import Path
from typing import Any

import pytest

from data.cache import set_cache_dir
from data.errors import UsageError
from data.maze_kind import MazeKind
from data.progress import result_of
from data.sudoku_kind import SudokuKind
from models.architectures import ARCHITECTURES, config_type
from models.architectures.two_state import TwoStateConfig
from models.planning import puzzle_plan
from models.planning.plan import plan
from models.planning.puzzle_defaults import puzzle_architectures
from models.planning.puzzles import resolve_puzzle_request
from models.runs.events import NoticeGiven
from tests.requests import train_request


def refuse(*_: Any) -> None:
    raise AssertionError("puzzles were asked for")


@pytest.mark.parametrize(
    ("said", "words", "hint"),
    [
        ({"task": "chess"}, "no task 'chess'", "sudoku:4x4"),
        ({"task": "sudoku:5x5"}, "no puzzles called", "sudoku:"),
        ({"task": "sudoku"}, "needs one file", "CSV"),
        ({"task": "sudoku", "paths": ("-",)}, "standard input", "into a file"),
        ({"paths": ("a.csv",)}, "need no file", "sudoku FILE"),
        ({"task": "maze:5x5"}, "no mazes called 'maze:5x5'", "9x9 to 30x30"),
        ({"task": "maze:99x99"}, "no mazes called 'maze:99x99'", "9x9 to 30x30"),
        ({"task": "maze:15x16"}, "no mazes called", "maze:15x15"),
        ({"task": "maze:"}, "no mazes called", "maze:15x15"),
        ({"task": "maze"}, "needs one file", "maze:15x15"),
        ({"task": "maze:9x9", "paths": ("a.csv",)}, "need no file", "maze FILE"),
        ({"task": "grid"}, "needs one file", "input and target"),
        ({"task": "grid:9x9"}, "takes a file and no size", "input and target"),
        ({"task": "grid", "paths": ("-",)}, "standard input", "grid FILE"),
        ({"task": "gird", "paths": ("a.csv",)}, "no task 'gird'", "Did you mean grid?"),
        ({"task": "maz:9x9"}, "no task 'maz:9x9'", "maze:9x9"),
        ({"task": "maze:9x9", "settings": {"model.n_heads": 3}}, "does not divide", None),
        ({"architecture": "looped"}, "solves no puzzles", "trm, hrm"),
        ({"preset": "looped-small"}, "solves no puzzles", "trm, hrm"),
        ({"preset": "hrm-4m", "architecture": "trm"}, "is of architecture hrm, not trm", "Keep one"),
        ({"preset": "trm-small"}, "'trm-small' is for text: its model.ngram is 3", "ngram=0"),
        ({"context_length": 12}, r"\{model\.context_length\} is for text", "Leave it out"),
        ({"vocab_size": 12}, r"\{model\.vocab_size\} is for text", "Leave it out"),
        ({"tokenizer": "bpe"}, r"\{tokenizer\} is for text", "Leave it out"),
        ({"settings": {"model.task": "sudoku"}}, r"model\.task follows from the puzzles", "Leave it out"),
        ({"settings": {"model.vocab_size": "9"}}, r"model\.vocab_size\} is for text", "Leave it out"),
        ({"settings": {"model.context_length": "9"}}, r"model\.context_length\} is for text", "Leave it out"),
        ({"settings": {"model.attention_scope": "nothing"}}, "units or all", None),
        ({"settings": {"model.ngram": "2"}}, r"model\.ngram is 2; it must be 0", None),
        ({"settings": {"model.nonsense": "2"}}, r"no setting model\.nonsense", None),
        ({"settings": {"training.nonsense": "2"}}, r"no setting training\.nonsense", None),
        ({"settings": {"model.d_model": 30}}, "does not divide", None),
        ({"task": "sudoku", "paths": ("a.csv",), "settings": {"model.layers": "0"}}, r"model\.layers", None),
        ({"name": "taken"}, "already a run 'taken'", "taken-2"),
        ({"name": "../owl"}, "cannot be the name", None),
        ({"device": "abacus"}, "no device 'abacus'", None),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], words: str, hint: str | None
) -> None:
    monkeypatch.setattr(puzzle_plan, "open_puzzles", refuse)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=words) as caught:
        next(plan(train_request(**{"paths": (), "task": "sudoku:4x4", **said}), tmp_path))
    assert hint is None or hint in str(caught.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_preset_may_be_taken_where_it_fits(tmp_path: Path) -> None:
    def model_of(**said: Any) -> Any:
        request = train_request(**{"paths": (), "task": "sudoku:4x4", "device": "cpu", **said})
        return resolve_puzzle_request(request, tmp_path).model(SudokuKind(), 16)

    whole = model_of(preset="hrm-4m", architecture="hrm")
    assert (whole.l_layers, whole.d_model, whole.context_length, whole.vocab_size) == (3, 256, 16, 5)
    part = model_of(preset="trm-small", settings={"model.ngram": "0"})
    assert (part.d_model, part.d_feed_forward, part.ngram) == (192, 512, 0)
    assert model_of().architecture == "trm"


def test_of_a_file_only_its_size_is_left_open(tmp_path: Path) -> None:
    request = train_request(paths=("a.csv",), task="sudoku", n_heads=6, device="cpu")
    resolved = resolve_puzzle_request(request, tmp_path)
    assert resolved.model(SudokuKind(), 81).d_model == 96
    with pytest.raises(UsageError, match="does not divide into 6 heads"):
        resolved.model(SudokuKind(), 16)


def test_whoever_has_two_states_solves_puzzles() -> None:
    solving = {name for name in ARCHITECTURES if issubclass(config_type(name), TwoStateConfig)}
    assert set(puzzle_architectures()) == solving == {"trm", "hrm"}
    assert puzzle_architectures()[0] == "trm"
    for name in solving:
        assert config_type(name).puzzle_shape["max_cycles"] == 1


def test_a_plan_calls_the_puzzles_by_their_kind(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")
    (tmp_path / "pairs.csv").write_text("".join(f"{n:03},{str(n)[::-1]:>03}\n" for n in range(100, 200)))
    expected = {
        "maze:9x9": ("18 mazes of 9×9, and 2 to measure on", "32 mazes, under random symmetries"),
        "sudoku:4x4": ("18 Sudokus of 4×4, and 2 to measure on", "64 Sudokus, under random symmetries"),
        "grid": ("90 strings of 3 symbols, with 10 different ones, and 10 to measure on", "64 strings"),
    }
    for task, (puzzles, batch) in expected.items():
        is_file = task == "grid"
        paths = (str(tmp_path / "pairs.csv"),) if is_file else ()
        request = train_request(paths=paths, task=task, count=None if is_file else 20, device="cpu")
        rows = dict(result_of(plan(request, tmp_path)).rows())
        assert (rows["puzzles"], rows["batch"]) == (puzzles, batch)


def test_what_was_left_out_of_a_file_is_said_before_too_little_is_left(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")
    (tmp_path / "pairs.csv").write_text("input,target\nabc,ab\nabc,cba\n")
    request = train_request(paths=(str(tmp_path / "pairs.csv"),), task="grid", device="cpu")
    said: list[str] = []
    with pytest.raises(UsageError, match="cannot be held out"):
        for event in plan(request, tmp_path):
            if isinstance(event, NoticeGiven):
                said.append(event.message)
    assert len(said) == 1 and "line 2: the input has 3 symbols, and the target has 2" in said[0]


@pytest.mark.parametrize("n", [9, 15, 30])
def test_every_maze_has_a_model_that_suits_it(tmp_path: Path, n: int) -> None:
    request = train_request(paths=(), task=f"maze:{n}x{n}", device="cpu")
    resolved = resolve_puzzle_request(request, tmp_path)
    model, training = resolved.model(MazeKind(), n * n), resolved.training(MazeKind(), n * n)
    assert (model.context_length, model.vocab_size, model.n_heads) == (n * n, 5, 5)
    assert training.minutes is not None and training.minutes >= 5
