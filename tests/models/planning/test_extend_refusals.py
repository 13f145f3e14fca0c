"""More training for a run: bounds, and nothing written where the training could not start."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.errors import RlmError, TokenizerError, UsageError
from models.planning.extend import extend
from models.runs.run import Run

SAVED = Path(__file__).resolve().parents[2] / "fixtures" / "runs_of_earlier_versions" / "before_plain_names"


@pytest.fixture
def sudoku(tmp_path: Path) -> Run:
    shutil.copytree(SAVED / "sudoku", tmp_path / "sudoku")
    return Run.open("sudoku", tmp_path)


@pytest.mark.parametrize(
    "length", [{"minutes": 1e308}, {"minutes": 0}, {"minutes": float("nan")}, {"steps": 2**31}, {"steps": 0}]
)
def test_a_length_out_of_bounds_is_refused(sudoku: Run, length: dict[str, Any]) -> None:
    before = sudoku.config_path.read_bytes()
    with pytest.raises(UsageError):
        extend(sudoku, **length)
    assert sudoku.config_path.read_bytes() == before


@pytest.mark.parametrize(
    ("file", "section", "key", "wrong"),
    [
        ("config.json", "data", "content_hash", "other"),
        ("config.json", "training", "beta1", []),
        ("config.json", "training", "grow_by", 0),
        ("config.json", "model", "n_heads", True),
        ("config.json", "measured", "threads", -1),
        ("datasets.json", None, "datasets", [3]),
        ("evaluation.json", None, "step", "x"),
    ],
)
def test_nothing_is_written_for_a_training_that_cannot_start(
    sudoku: Run, file: str, section: str | None, key: str, wrong: object
) -> None:
    path = sudoku.path / file
    content = json.loads(path.read_text())
    (content if section is None else content[section])[key] = wrong
    path.write_text(json.dumps(content))
    before = sudoku.config_path.read_bytes()
    with pytest.raises(RlmError):
        extend(sudoku, steps=3)
    assert sudoku.config_path.read_bytes() == before


def test_a_sound_run_gets_its_extension(sudoku: Run) -> None:
    extend(sudoku, steps=3)
    extension = sudoku.config().extension
    assert extension is not None and (extension.from_step, extension.steps) == (6, 3)


def test_nothing_is_written_where_the_tokenizer_is_another(tmp_path: Path) -> None:
    shutil.copytree(SAVED / "two_texts", tmp_path / "owl")
    run = Run.open("owl", tmp_path)
    config = run.config()
    assert config.data is not None
    run.save_config(replace(config, data=replace(config.data, tokenizer_hash="0")))
    before = run.config_path.read_bytes()
    with pytest.raises(TokenizerError):
        extend(run, steps=3)
    assert run.config_path.read_bytes() == before
