"""Early exit saves passes at no loss: on easy grids, and on tokens that are easy to predict."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.cache import set_cache_dir
from data.prepare import open_prepared
from data.progress import result_of
from models.depth import DEFAULT_MODE
from models.evaluation.loss import DepthHistogram, evaluate
from models.planning.plan import plan
from models.runs.events import RunFinished
from models.runs.load import load_run
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import train_request

THRESHOLDS = (0.45, 0.48, 0.49, 0.495, 0.4975, 0.5)
"""Of `--halt-threshold`, around the default."""
STORIES = Path(__file__).resolve().parents[2] / "sample_corpora" / "stories.txt"


@pytest.fixture(autouse=True)
def cache_of_our_own(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")


def learned(tmp_path: Path, **said: Any) -> tuple[Run, RunFinished]:
    request = train_request(**{"paths": (), "name": "learner", **said})
    run = result_of(plan(request, tmp_path / "runs")).start()
    *_, last = run.record(train(run))
    assert isinstance(last, RunFinished)
    return run, last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "steps", "solved"), [("sudoku:4x4", 900, 0.99), ("sudoku:6x6", 1500, 0.9)], ids=["4x4", "6x6"]
)
def test_grids_are_solved_and_hard_ones_take_longer(
    tmp_path: Path, task: str, steps: int, solved: float
) -> None:
    run, last = learned(tmp_path, task=task, steps=steps)
    evaluation = run.read_json("evaluation.json") or {}
    print(f"\n{task}: {last.exact_accuracy}, {evaluation['exit_and_difficulty']}")
    assert last.exact_accuracy is not None and last.exact_accuracy >= solved
    by_steps = list(evaluation["exact_accuracy_by_steps"].values())
    assert by_steps[-1] >= by_steps[0]
    if task == "sudoku:6x6":  # 4x4 grids are all alike easy
        assert evaluation["exit_and_difficulty"] >= 0.3


@pytest.mark.slow
def test_hrm_saves_passes_at_the_same_loss(tmp_path: Path) -> None:
    text = tmp_path / "stories.txt"
    text.write_text(STORIES.read_text(encoding="utf-8")[:300_000], encoding="utf-8")
    settings = {"model.l_layers": 2, "model.h_layers": 2, "model.d_feed_forward": 128, "training.samples": 0}
    run, _ = learned(
        tmp_path, paths=(str(text),), architecture="hrm", d_model=64, n_heads=4, steps=700, settings=settings
    )
    model = load_run(run).model
    data = run.config().data
    assert data is not None and data.prepared is not None
    held_out = open_prepared(data.prepared).validation[:30_000]
    depth = model.modes()[DEFAULT_MODE]
    found = {}
    for halt in (None, *THRESHOLDS):
        histogram = DepthHistogram()
        halted = replace(depth, halt=halt)
        loss = result_of(evaluate(model, held_out, halted, "float32", histogram=histogram))
        found[halt] = (loss, histogram.mean)
    print(f"\nhrm, threshold: loss and cycles: {found}")
    whole_loss, whole_passes = found.pop(None)
    assert any(loss <= whole_loss + 0.01 and passes <= 0.75 * whole_passes for loss, passes in found.values())
