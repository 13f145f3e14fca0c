"""What is refused of a request for puzzles, in one sentence and before a puzzle is made or read."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from data.sudoku_kind import SudokuKind
from models.architectures import ARCHITECTURES, config_type
from models.architectures.two_state import TwoStateConfig
from models.planning import puzzle_plan
from models.planning.plan import plan
from models.planning.puzzle_defaults import puzzle_architectures
from models.planning.puzzles import resolve_puzzle_request
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
