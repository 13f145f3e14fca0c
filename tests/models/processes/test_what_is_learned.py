"""Puzzles, problems, a mix and a second text are learned by two processes as by one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.progress import result_of
from models.planning.plan import plan
from models.runs.evaluation import PuzzleEvaluation
from models.runs.run import Run
from tests.data.mixes.four_tables import write_tables
from tests.models.processes.hosts import Hosts
from tests.models.processes.test_two_processes import assert_same_training, train_alone
from tests.requests import SAME_EVERYWHERE, train_request

SMALL = {
    **SAME_EVERYWHERE, "training.evaluations": 2, "training.samples": 1, "training.batch_size": 8,
}  # fmt: skip
NewRun = Callable[..., Run]

pytestmark = pytest.mark.usefixtures("same_cache")


def both_runs(folder: Path, **typed: Any) -> tuple[Run, Run]:
    """A run for one process, in two pieces, and the same for two."""
    settings = {**SMALL, **typed.pop("settings", {})}
    runs = []
    for name, pieces in (("alone", {"training.micro_batch": 4}), ("together", {})):
        request = train_request(
            **{"paths": (), "steps": 8, "name": name, **typed}, settings=settings | pieces
        )
        runs.append(result_of(plan(request, folder / "runs")).start())
    return runs[0], runs[1]


@pytest.mark.parametrize(
    "typed",
    [
        {"task": "sudoku:4x4", "count": 60, "architecture": "trm"},
        {"task": "sudoku:4x4", "count": 60, "architecture": "hrm"},
        {"task": "compose:s3:4"},
    ],
    ids=["trm", "hrm", "compose"],
)
def test_puzzles_and_problems(hosts: Hosts, tmp_path: Path, typed: dict[str, Any]) -> None:
    alone, together = both_runs(tmp_path, settings={"model.d_model": 16, "model.n_heads": 2}, **typed)
    train_alone(alone)
    assert hosts.train(together) == "RunFinished"
    assert_same_training(alone, together)
    first, second = alone.evaluation(), together.evaluation()
    assert first is not None and second is not None
    assert first.validation_loss == pytest.approx(second.validation_loss, abs=1e-6)
    if isinstance(first, PuzzleEvaluation) and isinstance(second, PuzzleEvaluation):
        assert first.exit_steps == second.exit_steps and first.puzzles == second.puzzles


def test_puzzles_go_on_after_a_pause(hosts: Hosts, tmp_path: Path) -> None:
    typed = {"task": "sudoku:4x4", "count": 60, "settings": {"model.d_model": 16, "model.n_heads": 2}}
    whole, _ = both_runs(tmp_path / "a", **typed)
    paused, _ = both_runs(tmp_path / "b", **typed)
    assert hosts.train(whole) == "RunFinished"
    assert hosts.train(paused, pause_after=3) == "RunPaused"
    assert hosts.train(paused) == "RunFinished"
    assert_same_training(whole, paused)


def test_a_mix(hosts: Hosts, tmp_path: Path) -> None:
    tables = write_tables(tmp_path)
    shape = {"d_model": 16, "n_heads": 2, "context_length": 16, "tokenizer": "character"}
    alone, together = both_runs(tmp_path, mix=str(tables.mix), settings={"model.dropout": 0.0}, **shape)
    train_alone(alone)
    assert hosts.train(together) == "RunFinished"
    assert_same_training(alone, together)
    found = [{one.name: one.loss_now for one in run.datasets()} for run in (alone, together)]
    assert found[0].keys() == found[1].keys() and len(found[0]) == 4
    assert list(found[0].values()) == pytest.approx(list(found[1].values()), abs=1e-6)


def test_a_second_text_with_replay(hosts: Hosts, trained_run: NewRun, river: Path) -> None:
    runs = [trained_run(name) for name in ("alone", "together")]
    for run, pieces in zip(runs, ({"micro_batch": 2}, {}), strict=True):
        request = train_request(paths=(str(river),), continue_run=run.name, replay=0.25, steps=8)
        result_of(plan(request, run.path.parent)).start()
        config = run.config()
        run.save_config(replace(config, training={**config.training, **pieces}, calibration=None))
    train_alone(runs[0])
    assert hosts.train(runs[1]) == "RunFinished"
    assert_same_training(*runs)
    first, second = ([one.loss_now for one in run.datasets()] for run in runs)
    assert len(first) == 2 and first == pytest.approx(second, abs=1e-6)
